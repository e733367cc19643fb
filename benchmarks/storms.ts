// How near to the bound do storms come? Every row is one `npm run simulate -- --scenario …`; what is asked stands beside what came out.
import { fileURLToPath } from 'node:url';
import { runToEnd } from '@quarry/storm';
import type { Bench, BenchOptions, Report } from './bench.ts';

interface Row {
  readonly scenario: string;
  readonly nodes?: number;
  readonly link?: '10Gbit/s' | '20Mbit/s';
  /** Images so much smaller. */
  readonly scale?: '1/32' | '1/16' | '1/8';
  /** At most. `own`: durations ÷ each unshelve's own bound, median and worst, of hosts with the fastest link, and of those with the slowest. */
  readonly asked: {
    readonly ratio?: number;
    readonly origin?: number;
    readonly own?: readonly [median: number, worst: number];
    readonly slowOwn?: number;
    readonly zoneCopies?: number;
    readonly realSeconds?: number;
  };
  /** Hosts differ, or what they want does: the slowest is not compared with the median. */
  readonly isUneven?: true;
}

/** The fields of `--json` that are looked at. */
interface Simulated {
  readonly nodes: number;
  readonly finished: number;
  readonly expectedToFinish: number;
  readonly boundSeconds: number;
  readonly ratio: number;
  readonly originAmplification: number;
  readonly uniqueBytes: number;
  readonly duplicateBytes: number;
  readonly neededBytes: number;
  readonly crossZoneBytes: number;
  readonly badChunksAccepted: number;
  readonly invariantsBroken: number;
  readonly realSeconds: number;
  readonly slowestToMedian: number;
  readonly ownRatioP50: number;
  readonly ownRatioMax: number;
  readonly ownByLink: readonly { readonly p50: number; readonly max: number }[];
  readonly peakRssMiB: number;
}

const fast = { link: '10Gbit/s' } as const;
/** 32 MiB at 20 Mbit/s: as the load harness runs it with real processes. */
const harness = { link: '20Mbit/s', scale: '1/32' } as const;
const RACKS = 20;
const rows: readonly Row[] = [
  { scenario: 'same-image', nodes: 20, asked: { ratio: 1.06, origin: 1.01 } },
  { scenario: 'same-image', nodes: 20, ...fast, asked: { ratio: 1.2, origin: 1.01 } },
  { scenario: 'same-image', nodes: 100, asked: { ratio: 1.1, origin: 1.01 } },
  { scenario: 'same-image', nodes: 100, ...fast, asked: { ratio: 1.2, origin: 1.01 } },
  { scenario: 'same-image', nodes: 300, asked: { ratio: 1.12, origin: 1.01 } },
  { scenario: 'same-image', nodes: 300, ...fast, asked: { ratio: 1.2, origin: 1.01 } },
  { scenario: 'same-image', nodes: 1000, asked: { ratio: 1.13, origin: 1.01, realSeconds: 120 } },
  { scenario: 'same-image', nodes: 1000, ...fast, asked: { ratio: 1.2, origin: 1.01, realSeconds: 120 } },
  { scenario: 'fast-origin', asked: { ratio: 1.1, origin: 1.01 } },
  { scenario: 'fast-origin', ...fast, asked: { ratio: 1.15, origin: 1.01 } },
  { scenario: 'distinct-snapshots', asked: { ratio: 1.05, origin: 1.01 } },
  { scenario: 'distinct-snapshots', ...fast, asked: { ratio: 1.12, origin: 1.01 } },
  { scenario: 'warm-base', asked: { ratio: 1.05, origin: 1.01 } },
  { scenario: 'shelved-here-cold', asked: { ratio: 1.1, origin: 1.01 } },
  { scenario: 'shelved-here-cold', ...fast, asked: { ratio: 1.1, origin: 1.01 } },
  { scenario: 'shelved-here-warm', asked: { ratio: 1.1, origin: 0 }, isUneven: true },
  { scenario: 'staggered', asked: { origin: 1.01, own: [1.06, 1.2] }, isUneven: true },
  { scenario: 'mixed-speed', asked: { origin: 1.01, own: [1.15, 1.15], slowOwn: 1.05 }, isUneven: true },
  { scenario: 'rack-aware', asked: { ratio: 1.2, origin: 1.01, zoneCopies: 1.1 } },
  { scenario: 'killed', asked: { ratio: 1.15, origin: 1.05 } },
  { scenario: 'killed', ...fast, asked: { ratio: 1.25, origin: 1.05 } },
  { scenario: 'no-seeder', asked: { ratio: 1.15, origin: 1.05 } },
  { scenario: 'no-seeder', ...fast, asked: { ratio: 1.25, origin: 1.05 } },
  { scenario: 'small-image', asked: { ratio: 1.4, origin: 1.05 } },
  { scenario: 'origin-down', asked: { origin: 0 } },
  { scenario: 'liars', asked: { ratio: 1.3, origin: 1.1 } },
  { scenario: 'same-image', nodes: 8, ...harness, asked: { ratio: 1.16, origin: 1.01 } },
  { scenario: 'same-image', nodes: 20, ...harness, asked: { ratio: 1.12, origin: 1.01 } },
  { scenario: 'same-image', nodes: 40, ...harness, asked: { ratio: 1.13, origin: 1.01 } },
  { scenario: 'same-image', nodes: 40, ...harness, scale: '1/16', asked: { ratio: 1.13, origin: 1.01 } },
  { scenario: 'same-image', nodes: 40, ...harness, scale: '1/8', asked: { ratio: 1.13, origin: 1.01 } },
  { scenario: 'fast-origin', nodes: 20, ...harness, asked: { ratio: 1.08, origin: 1.01 } },
  { scenario: 'fast-origin', nodes: 40, ...harness, asked: { ratio: 1.08, origin: 1.01 } },
  { scenario: 'distinct-snapshots', nodes: 40, ...harness, asked: { ratio: 1.1, origin: 1.01 } },
  { scenario: 'warm-base', nodes: 40, ...harness, asked: { ratio: 1.1, origin: 1.01 } },
  { scenario: 'shelved-here-cold', nodes: 40, ...harness, asked: { ratio: 1.2, origin: 1.01 } },
  { scenario: 'killed', nodes: 40, ...harness, asked: { ratio: 1.2, origin: 1.05 } },
  { scenario: 'morning', asked: { own: [1.5, 1.5], origin: 1.02 }, isUneven: true },
];

const MAX_SLOWEST_TO_MEDIAN = 1.1;
const MAX_DUPLICATES = 0.01;

/** Every storm of the scheduler's table, or those whose name contains what `--only` says. */
export const storms: Bench = {
  about: 'simulated storms against their bound (about half an hour; --only same-image,killed for some)',
  async run(options) {
    const chosen = rows.filter(({ scenario }) => options.only.length === 0 || options.only.includes(scenario));
    if (chosen.length === 0) throw new Error(`no storm is called ${options.only.join(', ')}`);
    const lines = [header, header.replaceAll(/[^|]+/g, '---')];
    const results: object[] = [];
    const ratios: Record<string, number> = {};
    for (const row of chosen) {
      options.signal.throwIfAborted();
      const found = await simulate(row, options);
      const misses = missed(row, found);
      lines.push(lineOf(row, found, misses));
      const name = `${row.scenario}, ${found.nodes} hosts, ${linkOf(row)}`;
      results.push({ name, ...found, asked: row.asked, misses });
      ratios[`${name}: makespan / T*`] = found.ratio;
      options.tell(lines.at(-1) ?? '');
    }
    return { text: lines.join('\n'), figures: { results, ratios, notRun: [] } } satisfies Report;
  },
};

async function simulate({ scenario, nodes, link, scale }: Row, { signal }: BenchOptions): Promise<Simulated> {
  const main = fileURLToPath(new URL('../packages/simulator/src/main.ts', import.meta.url));
  const args = ['--scenario', scenario, ...(nodes === undefined ? [] : ['--nodes', String(nodes)])];
  if (link !== undefined) args.push('--link', link);
  if (scale !== undefined) args.push('--scale', scale);
  const { stdout } = await runToEnd([process.execPath, '--conditions=source', main, ...args, '--json'], {
    signal,
    fine: [0, 1],
  });
  return JSON.parse(stdout) as Simulated;
}

/** What is not as it was asked, in words. */
function missed({ asked, isUneven }: Row, found: Simulated): string[] {
  const misses: string[] = [];
  const most = (what: string, value: number, limit: number | undefined): void => {
    if (limit !== undefined && !(value <= limit + 0.0005)) misses.push(`${what} ${value.toFixed(3)} > ${limit}`);
  };
  const slow = found.ownByLink.at(-1);
  most('makespan', found.ratio, asked.ratio);
  most('origin', found.originAmplification, asked.origin);
  most('own median', found.ownByLink[0]?.p50 ?? found.ownRatioP50, asked.own?.[0]);
  most('own worst', found.ownByLink[0]?.max ?? found.ownRatioMax, asked.own?.[1]);
  if (asked.slowOwn !== undefined) most('slow hosts', slow?.max ?? Number.NaN, asked.slowOwn);
  most('copies a rack', zoneCopies(found), asked.zoneCopies);
  most('real seconds', found.realSeconds, asked.realSeconds);
  most('duplicates', duplicates(found), MAX_DUPLICATES);
  if (isUneven === undefined) most('slowest / median', found.slowestToMedian, MAX_SLOWEST_TO_MEDIAN);
  if (found.finished < found.expectedToFinish) misses.push(`${found.expectedToFinish - found.finished} did not finish`);
  if (found.badChunksAccepted + found.invariantsBroken > 0) misses.push('rules broken');
  return misses;
}

const header =
  '| scenario | hosts | link | T* s | makespan / T* | asked | slowest / median | each / its own: median, worst | origin × | asked | duplicates | real s | MiB | short of it |';

function lineOf({ scenario, link, scale, asked }: Row, found: Simulated, misses: readonly string[]): string {
  const own = found.ownByLink.length > 0 ? found.ownByLink : [{ p50: found.ownRatioP50, max: found.ownRatioMax }];
  return [
    '',
    scenario,
    String(found.nodes),
    linkOf({ link, scale }),
    found.boundSeconds.toFixed(2),
    found.ratio.toFixed(3),
    asked.ratio?.toFixed(2) ?? '',
    found.slowestToMedian.toFixed(3),
    own.map(({ p50, max }) => `${p50.toFixed(3)}, ${max.toFixed(3)}`).join('; '),
    found.originAmplification.toFixed(4),
    asked.origin?.toFixed(2) ?? '',
    `${(100 * duplicates(found)).toFixed(2)} %`,
    found.realSeconds.toFixed(0),
    String(found.peakRssMiB),
    misses.join('; '),
    '',
  ]
    .join(' | ')
    .trim();
}

function linkOf({
  link = '1Gbit/s',
  scale,
}: {
  readonly link?: string | undefined;
  readonly scale?: string | undefined;
}): string {
  const rate = link.replace(/(?=[GM]bit)/, ' ');
  return scale === undefined ? rate : `${rate}, × ${scale}`;
}

function duplicates({ duplicateBytes, neededBytes }: Simulated): number {
  return neededBytes > 0 ? duplicateBytes / neededBytes : 0;
}

function zoneCopies({ crossZoneBytes, uniqueBytes }: Simulated): number {
  return crossZoneBytes / (uniqueBytes * RACKS);
}
