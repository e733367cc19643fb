import { limits } from '@quarry/content';
import { boundOf } from '../bound/bound-of.ts';
import type { Scenario } from '../format/scenario.ts';
import type { Storm, StormFault, StormShelve, StormUnshelve } from '../storm.ts';
import { expandFaults } from './expand-faults.ts';
import { expandHoldings } from './expand-holdings.ts';
import { expandControl, expandHosts, expandOrigin, expandZones } from './expand-hosts.ts';
import { expandImages, lengthOf } from './expand-images.ts';
import { byTime, expandWave } from './expand-wave.ts';
import { impossible, linkScales, msOf } from './scales.ts';
import type { Scales } from './scales.ts';
import { scenarioRandom } from './scenario-random.ts';

export interface ExpandOptions {
  /** A whole number; of it 32 bits count. The same seed makes the same storm. */
  readonly seed: number;
  /** Instead of the file's number of hosts. */
  readonly nodes?: number | undefined;
  /** Instead of the file's node link, bytes per second. All other links keep their ratio to it. */
  readonly link?: number | undefined;
  /** All images at so great a part of their size, in whole chunks: 1/32 makes 32 MiB of 1 GiB. Above 0; 1 if not given. */
  readonly scale?: number | undefined;
}

/**
 * Works a scenario out: everything that chance decides is decided here, by the seed alone.
 * @throws ScenarioError SCENARIO_IMPOSSIBLE when it takes more hosts than there are, or bytes that nobody can give
 */
export function expandScenario(scenario: Scenario, options: ExpandOptions): Storm {
  const { seed } = options;
  const count = options.nodes ?? scenario.hosts.count;
  if (!Number.isInteger(count) || count < 1) throw impossible(scenario, `a storm has at least one host, not ${count}`);
  if (options.link !== undefined && !(options.link > 0 && options.link < Infinity))
    throw impossible(scenario, `a node link has a rate above 0 and below Infinity, not ${options.link}`);
  const { scale = 1 } = options;
  if (!(scale > 0 && scale < Infinity))
    throw impossible(scenario, `images are scaled by a number above 0, not by ${scale}`);
  const links = linkScales(scenario, options.link);
  const of = expandImages(scenario, { hostCount: count, scale, seed });
  const largest = Math.max(...of.images.map((image) => lengthOf(image.runs))) * limits.fixedChunkBytes;
  const scales: Scales = { ...links, downloadMs: (largest / links.link) * 1000 };

  const waves = (name: 'unshelves' | 'shelves'): (StormUnshelve & StormShelve)[] =>
    scenario[name]
      .flatMap((wave, i) =>
        expandWave(wave, of.sets.get(wave.images) ?? [], count, scales, scenarioRandom(seed, `${name} ${i}`)),
      )
      .toSorted(byTime);
  const unshelves = waves('unshelves');
  const calm: Storm = {
    name: scenario.name,
    about: scenario.about,
    seed,
    hosts: expandHosts(scenario, count, scales, seed),
    zones: expandZones(scenario, count, scales),
    origin: expandOrigin(scenario, scales),
    control: expandControl(scenario, scales),
    packs: of.packs,
    images: of.images,
    unshelves,
    shelves: waves('shelves'),
    holdings: expandHoldings(scenario, of, unshelves, count, seed),
    faults: [],
    limitMs: Infinity,
  };
  const { boundMs } = boundOf(calm);
  if (boundMs === Infinity)
    throw impossible(
      scenario,
      'nobody holds all that is unshelved: give it a seeder, a readable origin, or cache it somewhere',
    );
  const withBound = { ...scales, boundMs };
  const faults = expandFaults(scenario, count, withBound, seed);
  return { ...calm, faults, limitMs: limitOf(scenario, calm, faults, withBound) };
}

const patienceInBounds = 20;
const leastPatienceMs = 60_000;

function limitOf(scenario: Scenario, storm: Storm, faults: readonly StormFault[], scales: Required<Scales>): number {
  if (scenario.limit !== undefined) return msOf(scenario.limit, scales);
  const times = [...storm.unshelves, ...storm.shelves, ...faults].map(({ atMs }) => atMs);
  const ends = faults.flatMap((fault) => ('untilMs' in fault ? [fault.untilMs] : []));
  let lastMs = 0;
  for (const ms of [...times, ...ends]) if (ms !== Infinity) lastMs = Math.max(lastMs, ms);
  return lastMs + Math.max(leastPatienceMs, patienceInBounds * scales.boundMs);
}
