import { chunksPerPieceFor } from '@quarry/content';
import { shuffled } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { CachedTable, Scenario } from '../format/scenario.ts';
import { addPackRun, packSetsOf, runsOf } from '../pack-sets.ts';
import type { PackSets } from '../pack-sets.ts';
import type { StormHolding, StormPack, StormRun, StormUnshelve } from '../storm.ts';
import type { ExpandedImages } from './expand-images.ts';
import { impossible } from './scales.ts';
import { scenarioRandom } from './scenario-random.ts';

/** What hosts hold at the start: per host and pack disjoint runs in ascending order. */
export function expandHoldings(
  scenario: Scenario,
  of: ExpandedImages,
  unshelves: readonly StormUnshelve[],
  hostCount: number,
  seed: number,
): StormHolding[] {
  const held: PackSets[] = Array.from({ length: hostCount }, () => new Map());
  for (const [i, table] of scenario.cached.entries()) {
    const random = scenarioRandom(seed, `cached ${i}`);
    for (const { run, hosts } of placements(scenario, table, of, unshelves, hostCount, random)) {
      for (const host of hosts) addPackRun(held[host] ?? new Map(), run, of.packs);
    }
  }
  return held.flatMap((sets, host) => [...runsOf(sets)].map((run) => ({ host, run })));
}

interface Placement {
  readonly run: StormRun;
  readonly hosts: readonly number[];
}

function* placements(
  scenario: Scenario,
  table: CachedTable,
  of: ExpandedImages,
  unshelves: readonly StormUnshelve[],
  hostCount: number,
  random: Random,
): Generator<Placement> {
  const members = of.sets.get(table.images) ?? [];
  const all = Array.from({ length: hostCount }, (_, host) => host);
  const draw = (from: readonly number[]): number[] => {
    if (from.length >= table.copies) return shuffled(from, random).slice(0, table.copies);
    const problem = `"${table.images}" shall be cached ${table.where} in ${table.copies} copies, but only ${from.length} of the storm’s ${hostCount} hosts can hold one`;
    throw impossible(scenario, problem, { images: table.images, copies: table.copies, hosts: from.length });
  };
  if (table.where === 'elsewhere') {
    for (const image of members) {
      const takers = new Set(unshelves.filter((unshelve) => unshelve.image === image).map(({ host }) => host));
      const hosts = draw(all.filter((host) => !takers.has(host)));
      for (const run of runsOfPart(table, of, image)) yield { run, hosts };
    }
    return;
  }
  // What images share is placed once.
  const union = packSetsOf(
    members.flatMap((image) => runsOfPart(table, of, image)),
    of.packs,
  );
  for (const run of runsOf(union)) {
    if (table.where === 'everywhere') yield { run, hosts: all };
    else for (const piece of piecesOf(run, of.packs)) yield { run: piece, hosts: draw(all) };
  }
}

function runsOfPart(table: CachedTable, of: ExpandedImages, image: number): readonly StormRun[] {
  if (table.part === 'all') return of.images[image]?.runs ?? [];
  return of.parts[image]?.[table.part] ?? [];
}

function* piecesOf(run: StormRun, packs: readonly StormPack[]): Generator<StormRun> {
  const perPiece = chunksPerPieceFor(packs[run.pack]?.chunks ?? 0);
  const end = run.firstChunk + run.chunkCount;
  for (let first = run.firstChunk; first < end; ) {
    const next = Math.min(end, (Math.floor(first / perPiece) + 1) * perPiece);
    yield { pack: run.pack, firstChunk: first, chunkCount: next - first };
    first = next;
  }
}
