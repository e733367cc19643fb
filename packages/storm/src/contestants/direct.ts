import type { Contestant } from '../contestant.ts';
import { findCommand } from '../process/find-command.ts';
import { fetchingAttempt } from './fetching-attempt.ts';
import { fetchCommand } from './glance-requests.ts';

/** What Nova does by itself. What hosts hold of an image does not help it: it reads whole images. */
export function createDirect(): Contestant {
  return {
    name: 'direct',
    about: 'every host reads the whole image from Glance over HTTP, as Nova does today',
    whyNot: async () =>
      findCommand('curl') === undefined ? 'curl is not installed; benchmarks/install-peers.sh installs it' : undefined,
    prepare: async (stage) => {
      const { url, token } = stage.glance;
      return fetchingAttempt(stage, { command: ({ id, file }) => fetchCommand(url, { id, token, file }) });
    },
  };
}
