import type { Clock } from '@quarry/runtime';
import type { StormNetwork } from '../storm-network.ts';
import type { StormSample } from '../storm-record.ts';
import { busyPercent, readCpuTicks } from './machine.ts';
import { payloadBytes } from './payload.ts';
import type { ProcessWatch } from './watch-processes.ts';

const SAMPLE_MS = 500;
const LOOK_MS = 5000;

export interface Sampling {
  /** Ends it, and says what was seen between its start and now. */
  stop(): Promise<Sampled>;
}

export interface Sampled {
  readonly samples: readonly StormSample[];
  /** Payload that left the origin's link. */
  readonly originBytes: number;
  readonly cpuIdlePercent: number;
}

/** Looks at links, machine and memory while a storm goes on. `finished` is asked for each sample. */
export async function sampleStorm(
  deps: { readonly clock: Clock; readonly network: StormNetwork; readonly watch: ProcessWatch },
  { finished, signal }: { readonly finished: () => number; readonly signal: AbortSignal },
): Promise<Sampling> {
  const { clock, network, watch } = deps;
  const over = new AbortController();
  const waiting = { signal: AbortSignal.any([signal, over.signal]) };
  const originOut = async (): Promise<number> => payloadBytes((await network.counters({ signal })).originOut);
  const startMs = clock.now();
  const first = { bytes: await originOut(), ticks: await readCpuTicks() };
  const samples: StormSample[] = [];
  let last = { ...first, atMs: startMs };
  const sample = async (): Promise<void> => {
    const now = { bytes: await originOut(), ticks: await readCpuTicks(), atMs: clock.now() };
    const seconds = (now.atMs - last.atMs) / 1000;
    samples.push({
      seconds: (now.atMs - startMs) / 1000,
      originBytesPerSecond: seconds > 0 ? (now.bytes - last.bytes) / seconds : 0,
      cpuBusyPercent: busyPercent(last.ticks, now.ticks),
      finished: finished(),
    });
    last = now;
  };
  const untilOver = async (everyMs: number, act: () => Promise<void>): Promise<void> => {
    try {
      for (;;) {
        await clock.sleep(everyMs, waiting);
        await act();
      }
    } catch (error) {
      if (!waiting.signal.aborted) throw error;
    }
  };
  const loops = [untilOver(SAMPLE_MS, sample), untilOver(LOOK_MS, () => watch.look())];
  for (const loop of loops) loop.catch(() => {}); // told by stop
  return {
    async stop() {
      over.abort();
      await Promise.all(loops);
      await sample();
      const busy = busyPercent(first.ticks, last.ticks);
      return { samples, originBytes: last.bytes - first.bytes, cpuIdlePercent: 100 - busy };
    },
  };
}
