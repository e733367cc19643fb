import {
  addRun,
  chunksOf,
  copyChunkSet,
  countChunks,
  createChunkSet,
  fullPieceMask,
  hasChunk,
  pieceChunks,
  pieceMask,
} from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frameBytes } from '../src/frame-table.ts';
import type { FrameTable } from '../src/frame-table.ts';
import {
  addFrame,
  addPresent,
  confirmMark,
  createPresence,
  dropPresent,
  durableMark,
  markOf,
  maskRuns,
  recordedPresence,
  rollBack,
} from '../src/presence.ts';
import type { Presence, PresenceMark } from '../src/presence.ts';

const { descriptor } = samplePack({ seed: 1, chunkCount: 30 });

const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), piece: fc.nat(7), mask: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ kind: fc.constant('frame' as const), piece: fc.nat(7), bytes: fc.integer({ min: 1, max: 800 }) }),
  fc.record({ kind: fc.constant('drop' as const), first: fc.nat(29), count: fc.integer({ min: 1, max: 5 }) }),
  fc.constant({ kind: 'mark' as const }),
  fc.constant({ kind: 'settle' as const }),
  fc.constant({ kind: 'fail' as const }),
);

function bytesOf(chunks: Iterable<number>): number {
  let bytes = 0;
  for (const chunk of chunks) bytes += (descriptor.offsets[chunk + 1] ?? 0) - (descriptor.offsets[chunk] ?? 0);
  return bytes;
}

/** What they take: frames as they are, all else plain. Frames hold their pieces wholly. */
function storedBytesOf(chunks: readonly number[], frames: FrameTable | undefined): number {
  const plain = chunks.filter((chunk) => frameBytes(frames, Math.floor(chunk / descriptor.chunksPerPiece)) === 0);
  let bytes = bytesOf(plain);
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const { first, count } = pieceChunks(descriptor, piece);
    const inPiece = chunks.filter((chunk) => chunk >= first && chunk < first + count).length;
    if (frameBytes(frames, piece) > 0 && inPiece > 0) {
      expect(inPiece, 'a frame is there wholly or not at all').toBe(count);
      bytes += frameBytes(frames, piece);
    }
  }
  return bytes;
}

function check(presence: Presence, recorded: PresenceMark): void {
  const present = new Set(chunksOf(presence.present));
  const durable = [...chunksOf(presence.durable)];
  expect(
    durable.filter((chunk) => !present.has(chunk)),
    'durable is part of present',
  ).toEqual([]);
  expect(presence.presentBytes).toBe(bytesOf(present));
  expect(presence.durableBytes).toBe(bytesOf(durable));
  expect(presence.storedBytes).toBe(storedBytesOf([...present], presence.frames));
  expect(presence.durableStoredBytes).toBe(storedBytesOf(durable, presence.frames));
  const named = [...chunksOf({ chunkCount: 30, bits: recorded.bits })];
  if (!presence.isRecordAhead) expect(named, 'the record names what is durable').toEqual(durable);
  expect(recorded.presentBytes).toBe(bytesOf(named));
  expect(recorded.storedBytes).toBe(storedBytesOf(named, recorded.frames));
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const { first } = pieceChunks(descriptor, piece);
    const inFrame = frameBytes(recorded.frames, piece);
    if (inFrame === 0) continue;
    expect(named, 'the record has no frame without its chunks').toContain(first);
    expect(recorded.dataEnd).toBeGreaterThanOrEqual((descriptor.offsets[first] ?? 0) + inFrame);
    if (!presence.isRecordAhead) expect(frameBytes(presence.frames, piece)).toBe(inFrame);
  }
  const isPlain = (chunk: number): boolean =>
    frameBytes(recorded.frames, Math.floor(chunk / descriptor.chunksPerPiece)) === 0;
  for (const chunk of named.filter(isPlain))
    expect(recorded.dataEnd).toBeGreaterThanOrEqual(descriptor.offsets[chunk + 1] ?? 0);
}

describe('presence', () => {
  test('whatever is written, dropped, marked and lost, the record never names what is not durable', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const presence = createPresence(30);
        let recorded = markOf(presence);
        for (const each of steps) {
          if (each.kind === 'add')
            addPresent(presence, descriptor, each.piece, each.mask & fullPieceMask(descriptor, each.piece));
          if (each.kind === 'frame' && pieceMask(presence.present, each.piece, 4) === 0)
            addFrame(presence, descriptor, each.piece, { bytes: each.bytes, check: each.bytes ^ 0xffff });
          if (each.kind === 'drop') {
            const chunks = createChunkSet(30);
            addRun(chunks, each.first, Math.min(each.count, 30 - each.first));
            const before = new Set(chunksOf(presence.present));
            const isAsked = (chunk: number): boolean => {
              const piece = Math.floor(chunk / descriptor.chunksPerPiece);
              return frameBytes(presence.frames, piece) > 0
                ? pieceMask(chunks, piece, descriptor.chunksPerPiece) !== 0
                : hasChunk(chunks, chunk);
            };
            const expected = [...before].filter(isAsked);
            const { lossCount } = presence;
            expect(dropPresent(presence, descriptor, chunks)).toBe(expected.length);
            expect(presence.lossCount).toBe(lossCount + (expected.length > 0 ? 1 : 0));
            expect([...chunksOf(presence.present)]).toEqual([...before].filter((chunk) => !expected.includes(chunk)));
          }
          if (each.kind === 'mark' || each.kind === 'settle') {
            recorded = each.kind === 'mark' ? markOf(presence) : durableMark(presence);
            confirmMark(presence, recorded);
          }
          if (each.kind === 'fail') {
            const [before, durable] = [countChunks(presence.present), copyChunkSet(presence.durable)];
            expect(rollBack(presence)).toBe(before > countChunks(durable));
            expect(presence.present).toEqual(durable);
          }
          check(presence, recorded);
        }
        const { domain, secret } = descriptor;
        check(recordedPresence({ number: 1, domain, secret, chunkCount: 30, ...recorded }), recorded);
      }),
    );
  });

  test('a mask falls apart into runs that cover it, in order, none touching another', () => {
    fc.assert(
      fc.property(fc.nat(7), fc.integer({ min: 1, max: 0xffff }), (piece, mask) => {
        const { first } = pieceChunks(descriptor, piece);
        const runs = maskRuns(first, mask);
        let covered = 0;
        for (const run of runs) covered |= ((1 << run.count) - 1) << (run.first - first);
        expect(covered).toBe(mask);
        for (const [i, run] of runs.entries()) {
          const next = runs[i + 1];
          if (next) expect(next.first).toBeGreaterThan(run.first + run.count);
        }
      }),
    );
  });
});
