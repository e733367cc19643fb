import type { Clock } from '@quarry/runtime';
import type { WatchedProcess } from '../contestant.ts';
import { diskMiBOf, sampleProcess } from './process-sample.ts';
import type { ProcessSample } from './process-sample.ts';
import type { SoakQuantity, SoakSeries } from './soak-verdict.ts';
import type { TimedSample } from './trend.ts';

export interface WatchedDisk {
  /** Of the daemon whose it is. */
  readonly name: string;
  readonly directory: string;
}

/** Samples of every daemon, from each start of it on; of its disk from the first. */
export interface SoakWatch {
  /** The series so far. */
  series(): readonly SoakSeries[];
  /** Resolves when the last look has ended. */
  stop(): Promise<void>;
}

/** Looking at the disk walks its directories, at a process only through /proc. */
const LOOKS_PER_DISK_LOOK = 6;

export function watchSoak(
  { clock }: { readonly clock: Clock },
  options: {
    readonly everyMs: number;
    readonly processes: () => readonly (WatchedProcess & { readonly label: string })[];
    readonly disks: readonly WatchedDisk[];
  },
): SoakWatch {
  const stopping = new AbortController();
  const all = new Map<string, { daemon: string; quantity: SoakQuantity; samples: TimedSample[] }>();
  const startMs = clock.now();
  const add = (life: string, daemon: string, quantity: SoakQuantity, value: number): void => {
    const key = `${life} ${quantity}`;
    const series = all.get(key) ?? { daemon, quantity, samples: [] };
    series.samples.push({ atMs: clock.now() - startMs, value });
    all.set(key, series);
  };
  const look = async (number: number): Promise<void> => {
    for (const { pid, label } of options.processes()) {
      const sample = await sampleProcess(pid);
      if (!sample) continue;
      for (const quantity of Object.keys(sample) as (keyof ProcessSample)[])
        add(`process ${pid}`, label, quantity, sample[quantity]);
    }
    if (number % LOOKS_PER_DISK_LOOK !== 0) return;
    for (const { name, directory } of options.disks) add(directory, name, 'diskMiB', await diskMiBOf(directory));
  };
  const watching = (async () => {
    for (let number = 0; !stopping.signal.aborted; number += 1) {
      await look(number);
      await clock.sleep(options.everyMs, { signal: stopping.signal }).catch(() => {}); // the end is looked at above
    }
  })();
  watching.catch(() => {}); // heard in stop
  return {
    series: () => [...all.values()],
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}
