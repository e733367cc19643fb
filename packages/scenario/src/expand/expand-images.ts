import { limits } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { ImagesTable, Scenario } from '../format/scenario.ts';
import type { StormImage, StormPack, StormRun } from '../storm.ts';
import { randomIndex, scenarioRandom } from './scenario-random.ts';

/** The images of a storm, and what their tables say of them. */
export interface ExpandedImages {
  readonly packs: readonly StormPack[];
  readonly images: readonly StormImage[];
  /** By image: what it has from its base, and the rest. Their packs are different ones. */
  readonly parts: readonly ImageParts[];
  /** Images of each set, by its name. */
  readonly sets: ReadonlyMap<string, readonly number[]>;
}

export interface ImageParts {
  readonly common: readonly StormRun[];
  readonly own: readonly StormRun[];
}

const chunksPerMiB = 2 ** 20 / limits.fixedChunkBytes;

export function expandImages(
  scenario: Scenario,
  { hostCount, scale, seed }: { readonly hostCount: number; readonly scale: number; readonly seed: number },
): ExpandedImages {
  // what is a piece of 1 MiB at full size: sizes that are drawn, and parts of a base, are whole ones
  const unit = Math.max(1, Math.round(chunksPerMiB * scale));
  const packs: StormPack[] = [];
  const images: StormImage[] = [];
  const parts: ImageParts[] = [];
  const sets = new Map<string, number[]>();
  for (const given of scenario.images) {
    const table = scaled(given, scale);
    const random = scenarioRandom(seed, `images ${table.name}`);
    const bases = sets.get(table.base ?? '') ?? [];
    const count = table.count === 'perHost' ? hostCount : table.count;
    const members: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const chunks = drawChunks(table, unit, random);
      const base = images[bases[randomIndex(bases.length, random)] ?? -1];
      const wanted = Math.round((chunks * (table.common ?? 0)) / unit) * unit;
      const common = firstChunks(base?.runs ?? [], Math.min(chunks, wanted));
      const own = newPacks(chunks - lengthOf(common), packs);
      members.push(images.length);
      images.push({ name: count === 1 ? table.name : `${table.name}-${i}`, runs: [...common, ...own] });
      parts.push({ common, own });
    }
    sets.set(table.name, members);
  }
  return { packs, images, parts, sets };
}

export function lengthOf(runs: readonly StormRun[]): number {
  return runs.reduce((sum, run) => sum + run.chunkCount, 0);
}

function scaled(table: ImagesTable, scale: number): ImagesTable {
  const part = (chunks: number): number => Math.max(1, Math.round(chunks * scale));
  return { ...table, size: part(table.size), maxSize: table.maxSize === undefined ? undefined : part(table.maxSize) };
}

/** Whole units, unless all have one size, which is taken as it is. */
function drawChunks(table: ImagesTable, unit: number, random: Random): number {
  const { size, maxSize } = table;
  if (maxSize === undefined || maxSize === size) return size;
  const drawn = size * (maxSize / size) ** random.next();
  return Math.min(maxSize, Math.max(size, Math.round(drawn / unit) * unit));
}

function firstChunks(runs: readonly StormRun[], count: number): StormRun[] {
  const out: StormRun[] = [];
  let rest = count;
  for (const run of runs) {
    if (rest === 0) break;
    const chunkCount = Math.min(rest, run.chunkCount);
    out.push({ ...run, chunkCount });
    rest -= chunkCount;
  }
  return out;
}

/** As an ingest does it: each pack filled before the next. */
function newPacks(chunks: number, packs: StormPack[]): StormRun[] {
  const out: StormRun[] = [];
  for (let rest = chunks; rest > 0; rest -= limits.maxChunksPerPack) {
    const chunkCount = Math.min(rest, limits.maxChunksPerPack);
    out.push({ pack: packs.length, firstChunk: 0, chunkCount });
    packs.push({ chunks: chunkCount });
  }
  return out;
}
