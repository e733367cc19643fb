import { fullPieceMask, maskedBytes } from '@quarry/content';
import type { Manifest, OriginImage, PackDescriptor, PackId, PieceWant, VerifiedPiece } from '@quarry/content';
import { createMemoryOrigin } from '@quarry/content/memory';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { imageDefaults, originPieceSource } from '../src/index.ts';
import type { OriginReadOptions } from '../src/origin-piece-source.ts';
import { anyImage, diskImage, noise } from './support/any-image.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';
import { watchOrigin } from './support/watched-origin.ts';
import type { WatchedOrigin } from './support/watched-origin.ts';

const CHUNK = 65536;
const PIECE = 4 * CHUNK;

interface Stage {
  readonly manifest: Manifest;
  readonly image: OriginImage;
  readonly origin: WatchedOrigin;
  readonly descriptorOf: (pack: PackId) => PackDescriptor;
  /** Puts other bytes in the image's place; the origin answers as if they were the same version. */
  readonly replace: (bytes: Uint8Array) => Promise<void>;
}

/** An image at an origin, and the manifest that says what it is made of. */
async function createStage(bytes: Uint8Array): Promise<Stage> {
  const node = createTestNode();
  const { manifest } = await ingestBytes(node, bytes);
  const descriptors = new Map<PackId, PackDescriptor>();
  for (const pack of manifest.packs) descriptors.set(pack, (await node.store.findPack(pack)) as PackDescriptor);
  const memory = createMemoryOrigin();
  memory.put(anyRef, bytes);
  const image = await memory.describe(anyRef);
  let current = image;
  const origin = watchOrigin({ ...memory, open: (_, options) => memory.open(current, options) });
  return {
    manifest,
    image,
    origin,
    descriptorOf: (pack) => descriptors.get(pack) as PackDescriptor,
    async replace(other) {
      memory.put(anyRef, other);
      current = await memory.describe(anyRef);
    },
  };
}

const sourceOf = ({ origin, image, manifest, descriptorOf }: Stage, options: OriginReadOptions = {}) =>
  originPieceSource(origin, image, manifest, descriptorOf, options);

function onlyPack({ manifest, descriptorOf }: Stage): PackDescriptor {
  expect(manifest.packs).toHaveLength(1);
  return descriptorOf(manifest.packs[0] as PackId);
}

const wholePieces = (descriptor: PackDescriptor, pieces: readonly number[]): PieceWant[] =>
  pieces.map((piece) => ({ piece, mask: fullPieceMask(descriptor, piece) }));

async function collect(pieces: AsyncIterable<VerifiedPiece>): Promise<{ read: PieceWant[]; error: unknown }> {
  const read: PieceWant[] = [];
  try {
    for await (const { piece, mask } of pieces) read.push({ piece, mask });
  } catch (error) {
    return { read, error };
  }
  return { read, error: undefined };
}

describe('a run of pieces from an origin', () => {
  test('is one read where the pieces follow each other', async () => {
    const stage = await createStage(diskImage(64, 1));
    const descriptor = onlyPack(stage);
    const wants = wholePieces(descriptor, [3, 4, 5, 6, 7]);
    const { read, error } = await collect(sourceOf(stage).readPieces(descriptor.id, wants));
    expect(error).toBeUndefined();
    expect(read).toEqual(wants);
    expect(stage.origin.reads).toEqual([{ offset: 3 * PIECE, length: 5 * PIECE }]);
    expect(stage.origin.sentBytes).toBe(5 * PIECE);
  });

  test('reads through a gap that costs less than another request, and around a larger one', async () => {
    const { maxGapBytes } = imageDefaults;
    for (const [zeros, expected] of [
      [maxGapBytes, 1],
      [maxGapBytes + CHUNK, 2],
    ] as const) {
      const [head, tail] = [diskImage(8, 1), noise(8 * CHUNK, 2)];
      const stage = await createStage(Buffer.concat([head, Buffer.alloc(zeros), tail]));
      const descriptor = onlyPack(stage);
      const wants = wholePieces(descriptor, [0, 1, 2, 3]);
      let told = 0;
      const onBytes = (bytes: number): void => void (told += bytes);
      const { read } = await collect(sourceOf(stage).readPieces(descriptor.id, wants, { onBytes }));
      expect(read).toEqual(wants);
      expect(stage.origin.reads).toHaveLength(expected);
      expect(told).toBe(16 * CHUNK + (expected === 1 ? zeros : 0));
    }
  });

  test('is divided into reads that are not too long', async () => {
    const stage = await createStage(diskImage(64, 1));
    const descriptor = onlyPack(stage);
    const wants = wholePieces(descriptor, [0, 1, 2, 3, 4]);
    const { read } = await collect(sourceOf(stage, { maxReadBytes: 6 * CHUNK }).readPieces(descriptor.id, wants));
    expect(read).toEqual(wants);
    expect(stage.origin.reads.map(({ length }) => length / CHUNK)).toEqual([6, 6, 6, 2]);
  });

  test('gives the pieces before the one that differs, and names that one', async () => {
    const bytes = diskImage(64, 1);
    const stage = await createStage(bytes);
    const descriptor = onlyPack(stage);
    const other = Buffer.from(bytes);
    other[2 * PIECE + 5] = (other[2 * PIECE + 5] ?? 0) ^ 1;
    await stage.replace(other);
    const wants = wholePieces(descriptor, [0, 1, 2, 3]);
    const { read, error } = await collect(sourceOf(stage).readPieces(descriptor.id, wants));
    expect(read).toEqual(wants.slice(0, 2));
    expect(error).toMatchObject({ code: 'IMAGE_ORIGIN_DIFFERS', details: { piece: 2 } });
  });

  test('gives the pieces before the end of an origin that breaks off, and then its error', async () => {
    const stage = await createStage(diskImage(64, 1));
    const descriptor = onlyPack(stage);
    const wants = wholePieces(descriptor, [0, 1, 2, 3]);
    for (const [ending, code] of [
      ['fails', 'ORIGIN_STALLED'],
      ['ends', 'IMAGE_ORIGIN_DIFFERS'],
    ] as const) {
      const origin = {
        ...stage.origin,
        async *open(...args: Parameters<WatchedOrigin['open']>) {
          let sent = 0;
          for await (const buffer of stage.origin.open(...args)) {
            if (sent >= 2 * PIECE + CHUNK) {
              if (ending === 'ends') return;
              throw Object.assign(new Error('the store is silent'), { code });
            }
            sent += buffer.length;
            yield buffer;
          }
        },
      };
      const { read, error } = await collect(sourceOf({ ...stage, origin }).readPieces(descriptor.id, wants));
      expect(read).toEqual(wants.slice(0, 2));
      expect(error).toMatchObject({ code });
    }
  });

  test('reads no further than a reader that leaves early, nor after an abort', async () => {
    const stage = await createStage(diskImage(64, 1));
    const descriptor = onlyPack(stage);
    const wants = wholePieces(descriptor, [0, 1, 2, 3, 4, 5, 6, 7]);
    for await (const { piece } of sourceOf(stage).readPieces(descriptor.id, wants)) if (piece === 1) break;
    expect(stage.origin.sentBytes).toBe(2 * PIECE);

    const controller = new AbortController();
    const pieces = sourceOf(stage).readPieces(descriptor.id, wants, { signal: controller.signal });
    const reader = pieces[Symbol.asyncIterator]();
    expect((await reader.next()).done).toBe(false);
    controller.abort(new Error('not wanted any more'));
    await expect(reader.next()).rejects.toThrow('not wanted any more');
    expect(stage.origin.sentBytes).toBe(3 * PIECE);
  });

  test('brings whatever is wanted of any image, in order, without reading a byte twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyImage,
        fc.nat(1000),
        fc.constantFrom(0, CHUNK, 4 * CHUNK),
        fc.constantFrom(CHUNK, 5 * CHUNK, 1000 * CHUNK),
        async (bytes, salt, maxGapBytes, maxReadBytes) => {
          const stage = await createStage(bytes);
          const source = sourceOf(stage, { maxGapBytes, maxReadBytes });
          for (const pack of stage.manifest.packs) {
            const descriptor = stage.descriptorOf(pack);
            const wants = wholePieces(
              descriptor,
              Array.from({ length: descriptor.pieceCount }, (_, i) => i),
            )
              .map(({ piece, mask }) => ({ piece, mask: mask & ((piece * 7919 + salt * 31) | salt) }))
              .filter(({ mask }) => mask !== 0);
            const before = stage.origin.reads.length;
            const { read, error } = await collect(source.readPieces(pack, wants));
            expect(error).toBeUndefined();
            expect(read).toEqual(wants);
            const reads = stage.origin.reads.slice(before);
            for (const { length } of reads) expect(length).toBeLessThanOrEqual(Math.max(maxReadBytes, 4 * CHUNK));
            const wantedBytes = wants.reduce((sum, { piece, mask }) => sum + maskedBytes(descriptor, piece, mask), 0);
            const readBytes = reads.reduce((sum, { length }) => sum + length, 0);
            expect(readBytes).toBeGreaterThanOrEqual(wantedBytes);
            if (maxGapBytes === 0) expect(readBytes).toBe(wantedBytes);
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 30_000);

  test('refuses what the image does not contain', async () => {
    const stage = await createStage(diskImage(8, 1));
    const descriptor = onlyPack(stage);
    const elsewhere = (await createStage(diskImage(8, 2))).manifest.packs[0] as PackId;
    const { error } = await collect(sourceOf(stage).readPieces(elsewhere, wholePieces(descriptor, [0])));
    expect(error).toBeInstanceOf(TypeError);
    expect(stage.origin.reads).toEqual([]);
  });
});
