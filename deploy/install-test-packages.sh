#!/usr/bin/env bash
# Installs what the whole test suite needs beyond Node and npm, on Debian or Ubuntu:
#
#   glance-api, python3-glanceclient   a real Glance for the integration tests to drive
#   keystone                           a real Keystone, which tells that Glance whose token it is and of which project
#   uwsgi-core, uwsgi-plugin-python3   the server that Debian's Keystone runs under
#   python3-nova                       Nova's own image code, the client that must not see a difference
#   python3-setuptools                 makes the plug-in for Nova known to it
#   btrfs-progs                        mkfs.btrfs, for a file system with reflinks
#   haproxy                            stands before Quarry and Glance, and leaves Quarry out when it is dead
#   nginx-light                        a file server to measure ours against
#   qemu-utils                         qemu-img, which writes qcow2 as Nova writes it
#   e2fsprogs                          mkfs.ext4, for images with a real file system in them
#   chromium                           the browser that looks at the report of a storm (81 MB to load, 360 MB on disk)
#   aria2, python3-libtorrent, nfs-ganesha, nfs-ganesha-vfs, libnfs-utils
#                                      what a storm measures us against
#   curl, openssl                      an HTTP client that is not ours; certificates for servers of tests
#   iproute2                           ip, tc and bridge: network namespaces with shaped links for the storm harness
#
# Needs root, since apt does. Without these packages `npm test` skips the tests that need them, and says so.
# Running it again installs only what is missing. No service is started: the tests start their own Glance.
set -euo pipefail

packages=(
  glance-api python3-glanceclient keystone uwsgi-core uwsgi-plugin-python3 python3-nova
  python3-setuptools btrfs-progs haproxy nginx-light qemu-utils e2fsprogs chromium curl openssl
  aria2 python3-libtorrent nfs-ganesha nfs-ganesha-vfs libnfs-utils
)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for package in "${packages[@]}"; do
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

# Debian's maintainer scripts start the service they install. A policy-rc.d that says 101 forbids it; where the machine
# has its own, that one decides.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
echo "Installing ${missing[*]} ..."
if ! { apt-get update -q && apt-get install -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "apt-get could not install ${missing[*]}: its last lines are above, all of them in $log." >&2
  exit 1
fi
rm -f "$log"
