import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contestant, WatchedProcess, Stage } from '../contestant.ts';
import { awaitAnswer } from '../process/await-answer.ts';
import { findCommand } from '../process/find-command.ts';
import { startProcess } from '../process/start-process.ts';
import { fetchingAttempt } from './fetching-attempt.ts';

const PORT = 2049;
const packages: Readonly<Record<string, string>> = {
  'ganesha.nfsd': 'nfs-ganesha with nfs-ganesha-vfs',
  'nfs-cp': 'libnfs-utils',
  'nfs-ls': 'libnfs-utils',
};

/**
 * A file store that every host has mounted. Kernels with an NFS client are not everywhere where this must run: the server is a real one, in user space, and
 * what copies speaks NFS 4.0 itself instead of reading from a mount.
 */
export function createSharedFile(): Contestant {
  return {
    name: 'shared-file',
    about:
      'every host copies the file from Glance’s store over NFS 4.0: nfs-ganesha serves it, libnfs’ nfs-cp stands for cp from a mount (FileTransfer)',
    async whyNot() {
      for (const [command, name] of Object.entries(packages))
        if (findCommand(command) === undefined)
          return `${name} is not installed; benchmarks/install-peers.sh installs it`;
      return undefined;
    },
    async prepare(stage) {
      const server = await startShare(stage);
      const { address } = stage.network.origin;
      return fetchingAttempt(stage, {
        servers: [server],
        command: ({ id, file }) => ['nfs-cp', shareUrl(address, id), file],
      });
    },
  };
}

async function startShare(stage: Stage): Promise<WatchedProcess> {
  const { glance, lifecycle, clock, signal, network } = stage;
  const { address, prefix } = network.origin;
  const directory = join(stage.directory, 'nfs');
  await mkdir(directory);
  const path = join(directory, 'ganesha.conf');
  await writeFile(path, shareConfig({ directory, address, path: glance.storeDirectory }));
  const files = ['-f', path, '-L', join(directory, 'log'), '-p', join(directory, 'pid')];
  const command = [findCommand('ganesha.nfsd') ?? 'ganesha.nfsd', '-F', ...files];
  const server = startProcess('the NFS server', command, { signal, prefix });
  lifecycle.onClose('the NFS server', () => server.stop());
  await awaitAnswer({ clock, server }, ['nfs-ls', shareUrl(address, '')], { signal, prefix });
  return { pid: server.pid, host: undefined, name: 'ganesha.nfsd' };
}

function shareUrl(address: string, file: string): string {
  return `nfs://${address}/images/${file}?version=4&nfsport=${PORT}`;
}

/**
 * Version 4 alone: 3 needs a port mapper. Reads of 64 KiB: each renews the lease, and on a link that 200 hosts share one of a MiB would take longer than a lease
 * may be.
 */
export function shareConfig(options: {
  readonly directory: string;
  readonly address: string;
  /** What is exported, read-only. */
  readonly path: string;
}): string {
  const { directory, address, path } = options;
  return `NFS_CORE_PARAM {
  Protocols = 4;
  NFS_Port = ${PORT};
  Bind_addr = ${address};
  Enable_NLM = false;
  Enable_RQUOTA = false;
}
NFSv4 {
  Graceless = true;
  Minor_Versions = 0;
  Lease_Lifetime = 120;
  RecoveryRoot = ${directory}/recovery;
  Only_Numeric_Owners = true;
}
EXPORT {
  Export_Id = 1;
  Path = ${path};
  Pseudo = /images;
  Access_Type = RO;
  Squash = No_Root_Squash;
  SecType = sys;
  PrivilegedPort = false;
  MaxRead = 65536;
  PrefRead = 65536;
  FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`;
}
