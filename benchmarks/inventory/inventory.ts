import { median, reportOf, rounded } from '../bench.ts';
import type { Bench, Result } from '../bench.ts';
import { runOurs } from '../processes.ts';
import type { InventoryAnswer, InventoryOrder } from './inventory-process.ts';

/** 100 GB of packs on each of 300 hosts. */
const order: InventoryOrder = { members: 300, packsPerMember: 400 };

const steps = {
  encodeSeconds: 'encode',
  decodeSeconds: 'decode',
  mergeSeconds: 'decode and merge, for the first time',
  mergeAgainSeconds: 'decode and merge, nothing new',
} as const satisfies Partial<Record<keyof InventoryAnswer, string>>;

/** MB/s and CPU are of bytes on the wire here: there is no image. */
export const inventory: Bench = {
  about: 'who has what: 300 members with 400 packs each, told, heard and kept',
  parts: [],
  async run({ runs, signal, tell }) {
    const answers: InventoryAnswer[] = [];
    for (let run = 0; run < runs; run += 1) {
      answers.push(await runOurs<InventoryAnswer>(order, signal, './inventory/inventory-process.ts', ['--expose-gc']));
      tell(`round ${run + 1} of ${runs}`);
    }
    const of = (key: keyof InventoryAnswer): number => median(answers.map((answer) => answer[key]));
    const bytes = of('bytesPerMember') * order.members;
    const peakRssMiB = Math.round(Math.max(...answers.map((answer) => answer.peakRssMiB)));
    const results = Object.entries(steps).map(([key, step]): Result => {
      const seconds = of(key as keyof typeof steps);
      return {
        name: `${step}, ${order.members} × ${order.packsPerMember} packs`,
        mbPerSecond: rounded(bytes / 1e6 / seconds),
        // one thread that never waits: its time is its CPU
        receiverCpuSecondsPerGb: rounded(seconds / (bytes / 1e9)),
        peakRssMiB,
        seconds: rounded(seconds),
      };
    });
    const facts = {
      'bytes on the wire per host': Math.round(of('bytesPerMember')),
      'messages per host': of('messagesPerMember'),
      'bytes of memory held': Math.round(of('heldBytes')),
      'bytes of memory held per pack of a member': Math.round(of('heldBytes') / of('haves')),
    };
    return reportOf({ results, ratios: {}, notRun: [], facts });
  },
};
