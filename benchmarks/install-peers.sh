#!/usr/bin/env bash
# Installs what `npm run bench -- transfer` and `npm run storm` compare Quarry with, and what they need to shape links, on Debian or Ubuntu:
#
#   nginx, curl, openssl   HTTPS from a server to a client
#   aria2                  BitTorrent, one seed to one leech
#   python3-libtorrent     the same, by the library most BitTorrent programs are made of
#   nfs-ganesha, libnfs-utils  an NFS server in user space and a client that needs no mount, for the storm
#   iproute2, e2fsprogs    network namespaces and traffic control; a file system for the disk image
#   zstd                   what an encoded ingest is compared with
#
# Needs root, since apt does. What is not there the benchmark lists as not run. No service is started, and none is left enabled by this script's doing:
# the benchmark starts its own nginx, with its own configuration, on a loopback port.
set -euo pipefail

packages=(nginx-light curl openssl aria2 python3-libtorrent nfs-ganesha nfs-ganesha-vfs libnfs-utils iproute2 e2fsprogs zstd)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for package in "${packages[@]}"; do
  if [ "$package" = nginx-light ] && command -v nginx >/dev/null; then continue; fi # any nginx will do
  is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "Everything is installed: ${packages[*]}"
  exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
  echo "Missing: ${missing[*]}. Only root can install them: run 'sudo $0'." >&2
  exit 1
fi

# Debian's maintainer scripts start the service they install. A policy-rc.d that says 101 forbids it; where the machine has its own, that one decides.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

echo "Installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}"
