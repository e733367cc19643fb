import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median, reportOf, rounded } from '../bench.ts';
import type { Bench, BenchOptions, Result } from '../bench.ts';
import { runOurs } from '../processes.ts';
import type { StoreAnswer, StoreOrder } from './store-process.ts';

/** Packs in the store that is opened: 1 TiB where --size is 1 GiB, less with a smaller one. */
const PACKS_PER_BYTE = 4096 / 2 ** 30;
const script = './store/store-process.ts';

/** The disk store alone, in a process of its own for each run. */
export const store: Bench = {
  about: 'pieces written and read, chunks looked up, a store of 4,096 packs opened (some minutes)',
  parts: ['pieces', 'open'],
  async run(options) {
    const isChosen = (part: string): boolean => options.only.length === 0 || options.only.includes(part);
    const results = [
      ...(isChosen('pieces') ? await measurePieces(options) : []),
      ...(isChosen('open') ? await measureOpen(options) : []),
    ];
    return reportOf({ results, ratios: {}, notRun: [] });
  },
};

async function measurePieces({ directory, sizeBytes, runs, signal, tell }: BenchOptions): Promise<readonly Result[]> {
  const answers: StoreAnswer[] = [];
  for (let run = 0; run < runs; run += 1) {
    const order: StoreOrder = { directory: join(directory, 'store'), doing: 'pieces', sizeBytes, packs: 0 };
    answers.push(await runOurs<StoreAnswer>(order, signal, script));
    await rm(order.directory, { recursive: true });
    tell(`round ${run + 1} of ${runs}: pieces and lookups`);
  }
  return resultsOf(answers);
}

async function measureOpen({ directory, sizeBytes, runs, signal, tell }: BenchOptions): Promise<readonly Result[]> {
  const packs = Math.max(1, Math.round(sizeBytes * PACKS_PER_BYTE));
  const order: StoreOrder = { directory: join(directory, 'store'), doing: 'fill', sizeBytes, packs };
  tell(`making a store of ${packs} packs`);
  await runOurs(order, signal, script);
  const answers: StoreAnswer[] = [];
  for (let run = 0; run < runs; run += 1) {
    answers.push(await runOurs<StoreAnswer>({ ...order, doing: 'open' }, signal, script));
    tell(`round ${run + 1} of ${runs}: opened in ${answers.at(-1)?.measured['open']?.seconds.toFixed(3)} s`);
  }
  await rm(order.directory, { recursive: true });
  return resultsOf(answers).map((result) => ({ ...result, name: `open ${packs} packs` }));
}

function resultsOf(answers: readonly StoreAnswer[]): readonly Result[] {
  const peakRssMiB = Math.round(Math.max(...answers.map((answer) => answer.peakRssMiB)));
  return Object.entries(answers[0]?.measured ?? {}).map(([name, { bytes, count }]) => {
    const each = answers.flatMap(({ measured }) => measured[name] ?? []);
    const seconds = median(each.map((one) => one.seconds));
    const cpuSeconds = median(each.map((one) => one.cpuSeconds));
    if (bytes !== undefined) {
      const gb = bytes / 1e9;
      const receiverCpuSecondsPerGb = rounded(cpuSeconds / gb);
      return { name, mbPerSecond: rounded((gb * 1000) / seconds), receiverCpuSecondsPerGb, peakRssMiB };
    }
    if (count === 1) return { name, seconds: rounded(seconds), peakRssMiB };
    return { name, perSecond: rounded((count ?? 0) / seconds), peakRssMiB };
  });
}
