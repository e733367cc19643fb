import type { Attempt, Stage, WatchedProcess } from '../contestant.ts';
import { StormError } from '../storm-error.ts';
import { faultOnHosts } from './fault-on-hosts.ts';
import { createHostImages } from './host-images.ts';
import { createHostProcesses } from './host-processes.ts';
import { shelveAtGlance } from './shelve-at-glance.ts';

export interface FetchingOptions {
  /** What brings an image of Glance's to a host's file, run on the host. */
  readonly command: (what: { readonly host: number; readonly id: string; readonly file: string }) => readonly string[];
  /** Servers that were started for it. */
  readonly servers?: readonly WatchedProcess[];
}

/** An attempt in which every unshelve is one client that fetches the whole image from a server. */
export function fetchingAttempt(stage: Stage, { command, servers = [] }: FetchingOptions): Attempt {
  const { glance, network } = stage;
  const processes = createHostProcesses(network.hosts);
  const held = createHostImages();
  return {
    async unshelve({ host, image }, file, waiting) {
      const client = command({ host, id: idOf(stage, image), file });
      const fetch = async (): Promise<void> => void (await processes.run(host, client, waiting));
      await held.bring({ host, image, file }, fetch, waiting);
    },
    shelve: (shelve, waiting) => shelveAtGlance({ glance, images: stage.images }, processes, shelve, waiting),
    async fault(fault) {
      if (fault.kind === 'kill') held.forget(fault.host);
      return await faultOnHosts(stage, processes, fault);
    },
    processes: () => servers,
    account: async () => ({}),
  };
}

function idOf({ glance, storm }: Stage, image: number): string {
  const id = glance.id(image);
  if (id !== undefined) return id;
  throw new StormError('STORM_PART_FAILED', `Glance does not have ${storm.images[image]?.name ?? image} yet`);
}
