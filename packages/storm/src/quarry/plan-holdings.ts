/**
 * How what hosts hold at the start is brought about with what a cluster can really do. Three ways, for each image the first that fits:
 *
 *  prefetch   every host holds the whole image: as an operator brings a base to all of them
 *  shelve     some hosts hold all of it: it was shelved on the first of them through its façade, and the others were asked to keep it
 *  read       whatever else is held: read through the host's façade, by ranges. What only this image has, and some host holds without the rest of it, is
 *             first shelved on a host that holds nothing, which forgets it afterwards.
 *
 * Pure.
 */
import { limits } from '@quarry/content';
import type { Storm, StormRun } from '@quarry/scenario';
import { StormError } from '../storm-error.ts';

export interface HoldingsPlan {
  /** Images that every host fetches whole. */
  readonly prefetches: readonly number[];
  readonly shelves: readonly PlannedShelve[];
  /** Undefined: nothing is lent. */
  readonly loan: Loan | undefined;
  readonly reads: readonly PlannedRead[];
}

export interface PlannedShelve {
  readonly image: number;
  readonly host: number;
  /** Other hosts that hold it. */
  readonly copies: readonly number[];
}

/** Images that a host has while others read from it. */
export interface Loan {
  readonly host: number;
  /** Shelved there. */
  readonly images: readonly number[];
  /** Images that it fetches before, so that what it shares with them is not shelved as its own. */
  readonly bases: readonly number[];
}

export interface PlannedRead {
  readonly host: number;
  readonly image: number;
  /** Of the image, in ascending order. */
  readonly ranges: readonly ByteRange[];
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** @throws StormError STORM_UNSUPPORTED */
export function planHoldings(storm: Storm): HoldingsPlan {
  const { images, hosts } = storm;
  const chunks = images.map(({ runs }) => keysOf(runs));
  const own = ownChunks(chunks);
  const held = hosts.map((): Set<string> => new Set());
  for (const { host, run } of storm.holdings) for (const key of keysOf([run])) held[host]?.add(key);
  const rest = held.map((keys) => new Set(keys));
  const prefetches: number[] = [];
  const shelves: PlannedShelve[] = [];
  const lent: number[] = [];
  for (const [image, keys] of chunks.entries()) {
    const mine = own[image] ?? new Set();
    if (mine.size === 0) continue;
    const holders = hosts.flatMap((_, host) => (includesAll(rest[host], mine) ? [host] : []));
    const whole = holders.filter((host) => includesAll(held[host], keys));
    if (whole.length < holders.length) lent.push(image);
    if (whole.length === 0) continue;
    const [host = 0, ...copies] = whole;
    if (whole.length === hosts.length) prefetches.push(image);
    else if (whole.length === holders.length) shelves.push({ image, host, copies });
    else continue;
    for (const holder of whole) for (const key of mine) rest[holder]?.delete(key);
  }
  const reads = hosts.flatMap((_, host) => readsOf(storm, host, rest[host] ?? new Set()));
  return { prefetches, shelves, loan: loanOf(lent, { chunks, own, held }), reads };
}

function loanOf(
  lent: readonly number[],
  { chunks, own, held }: Record<'chunks' | 'own' | 'held', readonly ReadonlySet<string>[]>,
): Loan | undefined {
  if (lent.length === 0) return undefined;
  const host = held.findIndex(({ size }) => size === 0);
  if (host < 0)
    throw new StormError(
      'STORM_UNSUPPORTED',
      'the storm has images of which hosts hold their own part and not the rest, and no host that holds nothing: nobody could bring them there; leave one host without ("cached")',
    );
  const shared = new Set(lent.flatMap((image) => [...(chunks[image] ?? [])].filter((key) => !own[image]?.has(key))));
  return { host, images: lent, bases: [...own.keys()].filter((base) => shares(own[base], shared)) };
}

/** A chunk's name: its pack and its number there. */
function keysOf(runs: readonly StormRun[]): Set<string> {
  const keys = new Set<string>();
  for (const { pack, firstChunk, chunkCount } of runs)
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk += 1) keys.add(`${pack}/${chunk}`);
  return keys;
}

/** What no earlier image has. */
function ownChunks(chunks: readonly ReadonlySet<string>[]): readonly ReadonlySet<string>[] {
  const seen = new Set<string>();
  return chunks.map((keys) => {
    const mine = new Set([...keys].filter((key) => !seen.has(key)));
    for (const key of mine) seen.add(key);
    return mine;
  });
}

/** Ranges of images that are all of what is left, each chunk once. */
function readsOf({ images }: Storm, host: number, left: Set<string>): PlannedRead[] {
  const reads: PlannedRead[] = [];
  for (const [image, { runs }] of images.entries()) {
    if (left.size === 0) break;
    const ranges: ByteRange[] = [];
    let offset = 0;
    for (const { pack, firstChunk, chunkCount } of runs) {
      for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk += 1, offset += limits.fixedChunkBytes)
        if (left.delete(`${pack}/${chunk}`)) extend(ranges, offset);
    }
    if (ranges.length > 0) reads.push({ host, image, ranges });
  }
  return reads;
}

function extend(ranges: ByteRange[], offset: number): void {
  const last = ranges.at(-1);
  const length = limits.fixedChunkBytes;
  if (last && last.offset + last.length === offset)
    ranges[ranges.length - 1] = { offset: last.offset, length: last.length + length };
  else ranges.push({ offset, length });
}

function includesAll(set: ReadonlySet<string> | undefined, keys: ReadonlySet<string>): boolean {
  if (!set || set.size < keys.size) return false;
  for (const key of keys) if (!set.has(key)) return false;
  return true;
}

function shares(some: ReadonlySet<string> | undefined, others: ReadonlySet<string>): boolean {
  for (const key of some ?? []) if (others.has(key)) return true;
  return false;
}
