import {
  addAll,
  addRun,
  copyChunkSet,
  countChunks,
  createChunkSet,
  hasChunk,
  isEmpty,
  limits,
  minus,
} from '@quarry/content';
import type { ChunkSet } from '@quarry/content';
import type { StormPack, StormRun } from './storm.ts';

/** Chunks of many packs: a set for each pack that has any. */
export type PackSets = Map<number, ChunkSet>;

export function addPackRun(sets: PackSets, run: StormRun, packs: readonly StormPack[]): void {
  let set = sets.get(run.pack);
  if (!set) sets.set(run.pack, (set = createChunkSet(packs[run.pack]?.chunks ?? 0)));
  addRun(set, run.firstChunk, run.chunkCount);
}

export function packSetsOf(runs: Iterable<StormRun>, packs: readonly StormPack[]): PackSets {
  const sets: PackSets = new Map();
  for (const run of runs) addPackRun(sets, run, packs);
  return sets;
}

/** Adds all of `other`. */
export function addPackSets(sets: PackSets, other: PackSets): void {
  for (const [pack, chunks] of other) {
    const set = sets.get(pack);
    if (set) addAll(set, chunks);
    else sets.set(pack, copyChunkSet(chunks));
  }
}

/** What is in `sets` and not in `other`. */
export function minusPackSets(sets: PackSets, other: PackSets): PackSets {
  const rest: PackSets = new Map();
  for (const [pack, set] of sets) {
    const theirs = other.get(pack);
    const left = theirs ? minus(set, theirs) : copyChunkSet(set);
    if (!isEmpty(left)) rest.set(pack, left);
  }
  return rest;
}

/** What is in both. */
export function commonPackSets(sets: PackSets, other: PackSets): PackSets {
  const both: PackSets = new Map();
  for (const [pack, set] of sets) {
    const theirs = other.get(pack);
    if (theirs) both.set(pack, minus(set, minus(set, theirs)));
  }
  return both;
}

/** Whole runs, in the order in which packs were added. */
export function* runsOf(sets: PackSets): Generator<StormRun> {
  for (const [pack, set] of sets) {
    for (let first = 0; first < set.chunkCount; first += 1) {
      if (!hasChunk(set, first)) continue;
      let end = first + 1;
      while (end < set.chunkCount && hasChunk(set, end)) end += 1;
      yield { pack, firstChunk: first, chunkCount: end - first };
      first = end;
    }
  }
}

export function bytesOf(sets: PackSets): number {
  let chunks = 0;
  for (const set of sets.values()) chunks += countChunks(set);
  return chunks * limits.fixedChunkBytes;
}
