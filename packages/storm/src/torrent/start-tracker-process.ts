import { fileURLToPath } from 'node:url';
import { startProcess } from '../process/start-process.ts';
import type { RunningProcess } from '../process/start-process.ts';
import type { Place, Waiting } from '../storm-network.ts';

export interface TrackerProcess {
  readonly announceUrl: string;
  readonly process: RunningProcess;
  /** Resolves when so many pairs of peer and torrent have everything, seeds with them. */
  whole(count: number, options: Waiting): Promise<void>;
}

/** This file is TypeScript when run from the sources, JavaScript when built: so is its neighbour. */
const script = fileURLToPath(new URL(`./tracker-process${import.meta.url.slice(-3)}`, import.meta.url));

/** Whoever starts it stops its process. @throws StormError STORM_PART_FAILED */
export async function startTrackerProcess(
  place: Place,
  { intervalSeconds, signal }: Waiting & { readonly intervalSeconds: number },
): Promise<TrackerProcess> {
  let whole = 0;
  let onWhole = (): void => {};
  const listening = Promise.withResolvers<string>();
  const command = [process.execPath, '--conditions=source', script, place.address, String(intervalSeconds)];
  const tracker = startProcess('the tracker', command, {
    signal,
    prefix: place.prefix,
    onLine(line) {
      if (!line.startsWith('{')) return;
      const said = JSON.parse(line) as { readonly announceUrl?: string; readonly whole?: number };
      if (said.announceUrl !== undefined) listening.resolve(said.announceUrl);
      whole = said.whole ?? whole;
      onWhole();
    },
  });
  const announceUrl = await Promise.race([listening.promise, tracker.fails]);
  return {
    announceUrl,
    process: tracker,
    async whole(count, waiting) {
      while (whole < count) {
        const more = Promise.withResolvers<void>();
        onWhole = more.resolve;
        const abort = (): void => more.reject(waiting.signal.reason);
        waiting.signal.throwIfAborted();
        waiting.signal.addEventListener('abort', abort, { once: true });
        await Promise.race([more.promise, tracker.fails]).finally(() =>
          waiting.signal.removeEventListener('abort', abort),
        );
      }
    },
  };
}
