import { readFile } from 'node:fs/promises';
import { DaemonError } from './daemon-error.ts';

/**
 * The number of a group of this host. Node has no getgrnam(3): groups of a directory service have to be given by their number.
 * @throws DaemonError DAEMON_BAD_REQUEST
 */
export async function groupIdOf(name: string, groupFile: string = '/etc/group'): Promise<number> {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  for (const line of (await readFile(groupFile, 'utf8')).split('\n')) {
    const [known, , id = ''] = line.split(':');
    if (known === name && /^\d{1,10}$/.test(id)) return Number(id);
  }
  throw new DaemonError(
    'DAEMON_BAD_REQUEST',
    `there is no group ${JSON.stringify(name)} in ${groupFile}; a group from elsewhere is given by its number (getent group ${name})`,
    { details: { name, groupFile } },
  );
}
