import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Command → Debian package that brings it. */
const NEEDED = {
  ip: 'iproute2',
  tc: 'iproute2',
  bridge: 'iproute2',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  unshare: 'util-linux',
};

const TRIAL = [
  'ip link add name va type veth peer name vb',
  'ip link add name br type bridge',
  'tc qdisc add dev va root tbf rate 1mbit burst 10kb limit 100kb',
].join(' && ');

/** Why there can be no storm network on this machine, and what to do about it; undefined where there can. */
export function whyNoStormNetwork(): string | undefined {
  if (process.platform !== 'linux')
    return 'network namespaces are Linux’s: run it on a Linux machine, or in a virtual one';
  if (process.getuid?.() !== 0) return 'network namespaces need root: run it with sudo';
  const missing = Object.entries(NEEDED).filter(([command]) => !isInstalled(command));
  if (missing.length > 0) {
    const packages = new Set(missing.map(([, name]) => name));
    return `${missing.map(([command]) => command).join(', ')} not found: install ${[...packages].join(' and ')} (names of Debian's packages)`;
  }
  const { status, stderr } = spawnSync('unshare', ['--net', 'sh', '-c', TRIAL], { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `the kernel refuses a network namespace with veth, bridge and tbf (${stderr.trim().split('\n').join('; ')}): in a container give it CAP_SYS_ADMIN and CAP_NET_ADMIN, else load the modules veth, bridge and sch_tbf`;
}

function isInstalled(command: string): boolean {
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      // not here
    }
  }
  return false;
}
