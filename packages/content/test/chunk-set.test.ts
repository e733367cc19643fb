import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addAll,
  addChunk,
  addPieceMask,
  addRun,
  chunkSetFrom,
  chunksOf,
  copyChunkSet,
  countChunks,
  createChunkSet,
  fullChunkSet,
  hasChunk,
  isEmpty,
  minus,
  pieceMask,
  removeChunk,
} from '../src/chunk-set.ts';
import type { ChunkSet } from '../src/chunk-set.ts';
import { chunksPerPieceFor } from '../src/pack-descriptor.ts';
import { refusal } from './hostile.ts';

/** A set and the same as a Set: the one that is tested, and the one that is believed. */
const anyPair = fc
  .integer({ min: 1, max: 4096 })
  .chain((chunkCount) =>
    fc.tuple(subset(chunkCount), subset(chunkCount)).map(([left, right]) => ({ chunkCount, left, right })),
  );

function subset(chunkCount: number): fc.Arbitrary<Set<number>> {
  return fc.array(fc.nat(chunkCount - 1), { maxLength: 60 }).map((chunks) => new Set(chunks));
}

function setOf(chunkCount: number, chunks: Iterable<number>): ChunkSet {
  const set = createChunkSet(chunkCount);
  for (const chunk of chunks) addChunk(set, chunk);
  return set;
}

const without = (left: Set<number>, right: Set<number>): number[] => [...left].filter((chunk) => !right.has(chunk));
const ascending = (chunks: Iterable<number>): number[] => [...chunks].toSorted((a, b) => a - b);

describe('a chunk set', () => {
  test('holds what was added, lists it in order and counts it', () => {
    fc.assert(
      fc.property(anyPair, ({ chunkCount, left }) => {
        const set = setOf(chunkCount, left);
        expect([...chunksOf(set)]).toEqual(ascending(left));
        expect(countChunks(set)).toBe(left.size);
        expect(isEmpty(set)).toBe(left.size === 0);
        for (let chunk = 0; chunk < chunkCount; chunk += 97) expect(hasChunk(set, chunk)).toBe(left.has(chunk));
        expect(set.bits.length).toBe(Math.ceil(chunkCount / 8));
      }),
    );
  });

  test('follows the laws of union and difference', () => {
    fc.assert(
      fc.property(anyPair, ({ chunkCount, left, right }) => {
        const [a, b] = [setOf(chunkCount, left), setOf(chunkCount, right)];
        const union = copyChunkSet(a);
        addAll(union, b);
        expect([...chunksOf(union)]).toEqual(ascending([...new Set([...left, ...right])]));
        expect([...chunksOf(minus(a, b))]).toEqual(ascending(without(left, right)));
        expect([...chunksOf(a)]).toEqual(ascending(left)); // copies and differences are new sets
        expect(isEmpty(minus(a, union))).toBe(true);
        expect(countChunks(minus(fullChunkSet(chunkCount), a))).toBe(chunkCount - left.size);
      }),
    );
  });

  test('loses what is removed and nothing else', () => {
    fc.assert(
      fc.property(anyPair, ({ chunkCount, left, right }) => {
        const set = setOf(chunkCount, left);
        for (const chunk of right) removeChunk(set, chunk);
        expect([...chunksOf(set)]).toEqual(ascending(without(left, right)));
      }),
    );
  });

  test('is made of its piece masks', () => {
    fc.assert(
      fc.property(anyPair, ({ chunkCount, left }) => {
        const set = setOf(chunkCount, left);
        const again = createChunkSet(chunkCount);
        const perPiece = chunksPerPieceFor(chunkCount);
        for (let piece = 0; piece * perPiece < chunkCount; piece += 1) {
          const mask = pieceMask(set, piece, perPiece);
          for (let i = 0; i < perPiece; i += 1) expect((mask >> i) & 1).toBe(Number(left.has(piece * perPiece + i)));
          addPieceMask(again, piece, perPiece, mask);
        }
        expect(again).toEqual(set);
      }),
      { numRuns: 30 },
    );
  });

  test('takes runs of any length from anywhere', () => {
    const anyRun = fc
      .integer({ min: 1, max: 4096 })
      .chain((chunkCount) =>
        fc
          .nat(chunkCount - 1)
          .chain((first) => fc.tuple(fc.constant(chunkCount), fc.constant(first), fc.nat(chunkCount - first))),
      );
    fc.assert(
      fc.property(fc.oneof(anyRun, fc.tuple(fc.constant(40), fc.nat(20), fc.nat(20))), ([chunkCount, first, count]) => {
        const set = createChunkSet(chunkCount);
        addRun(set, first, count);
        expect([...chunksOf(set)]).toEqual(Array.from({ length: count }, (_, i) => first + i));
      }),
    );
  });

  test.for([0, -1, 4097, 1.5, Number.NaN])('of %d chunks is a mistake of the caller', (chunkCount) => {
    expect(() => createChunkSet(chunkCount)).toThrow(TypeError);
  });
});

describe('a chunk set from elsewhere', () => {
  test('is the set that was sent, and does not share its bytes', () => {
    fc.assert(
      fc.property(anyPair, ({ chunkCount, left }) => {
        const sent = setOf(chunkCount, left);
        const given = Buffer.from(sent.bits);
        const set = chunkSetFrom(chunkCount, given);
        given.fill(0xff);
        expect(set).toEqual(sent);
      }),
    );
  });

  test('with another length or a bit after the last chunk is malformed', () => {
    expect(refusal(() => chunkSetFrom(9, new Uint8Array(1)))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => chunkSetFrom(8, new Uint8Array(2)))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => chunkSetFrom(9, Uint8Array.of(0, 2)))).toBe('CONTENT_MALFORMED');
    expect(countChunks(chunkSetFrom(9, Uint8Array.of(0xff, 1)))).toBe(9);
    expect(countChunks(chunkSetFrom(8, Uint8Array.of(0xff)))).toBe(8);
  });

  test('does not change when the one it was copied from does', () => {
    const original = { chunkCount: 8, bits: Buffer.of(1) };
    const copy = copyChunkSet(original);
    original.bits[0] = 0xff;
    expect([...chunksOf(copy)]).toEqual([0]);
  });
});
