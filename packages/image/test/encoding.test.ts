import { pieceChunks, chunkOffset, publicDomain } from '@quarry/content';
import type { PackStore } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ingestImage, readImage } from '../src/index.ts';
import type { IngestResult } from '../src/index.ts';
import { createCompute } from '../src/threads/compute.ts';
import { anyImage } from './support/any-image.ts';
import { collect, streamOf } from './support/streams.ts';
import { anyRef, createTestNode } from './support/test-node.ts';
import type { TestNode } from './support/test-node.ts';

const CHUNK = 65536;

/** What was staged, in order: how many plain bytes, and whether as a frame. */
interface Staged {
  readonly plainBytes: number;
  readonly isFrame: boolean;
}

function recording(store: PackStore): { readonly store: PackStore; readonly packs: Staged[][] } {
  const packs: Staged[][] = [];
  return {
    packs,
    store: {
      ...store,
      async stagePack(waiting) {
        const stage = await store.stagePack(waiting);
        const staged: Staged[] = [];
        packs.push(staged);
        return {
          ...stage,
          append(buffers, more) {
            staged.push({ plainBytes: buffers.reduce((sum, { length }) => sum + length, 0), isFrame: false });
            return stage.append(buffers, more);
          },
          appendFrame(frame, plainBytes, more) {
            staged.push({ plainBytes, isFrame: true });
            return stage.appendFrame(frame, plainBytes, more);
          },
        };
      },
    },
  };
}

/** A disk of chunks that compress well, no two alike; every `noisy`th is noise. */
function textDisk(chunks: number, noisy = Infinity): Buffer {
  const image = Buffer.alloc(chunks * CHUNK);
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const at = chunk * CHUNK;
    if (chunk % noisy === noisy - 1) image.set(createSeededRandom(chunk).bytes(CHUNK), at);
    else image.fill(`line ${chunk} of a log\n`, at, at + CHUNK);
  }
  image.writeUInt16BE(0x55aa, 510);
  return image;
}

function incompressible(bytes: number): Buffer {
  return Buffer.from(createSeededRandom(1).bytes(bytes));
}

function ingestEncoded(node: TestNode, bytes: Uint8Array, isSizeKnown = true): Promise<IngestResult> {
  const imageBytes = isSizeKnown ? bytes.length : undefined;
  const source = { ref: anyRef, domain: publicDomain, bytes: streamOf(bytes, [1 << 20]), imageBytes };
  return ingestImage(node, source, { encoding: 'zstd' });
}

describe('an ingest that encodes pieces', () => {
  test.for([0, 1, 2])(
    'makes the packs and the manifest that a plain one makes, with %i threads',
    { timeout: 60_000 },
    async (maxThreads) => {
      const compute = createCompute({ maxThreads });
      onTestFinished(() => compute.close());
      await compute.warmUp();
      const anyText = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 2, max: 40 }));
      const anyContent = fc.oneof(
        anyImage,
        anyText.map(([chunks, noisy]) => textDisk(chunks, noisy)),
      );
      await fc.assert(
        fc.asyncProperty(anyContent, fc.boolean(), async (image, isSizeKnown) => {
          const [plainly, encoded] = [createTestNode(), createTestNode()];
          // Both know the same of the size: an odd one, where it is known, rules out the cutter for disks.
          const imageBytes = isSizeKnown ? image.length : undefined;
          const source = { ref: anyRef, domain: publicDomain, bytes: streamOf(image), imageBytes };
          const expected = await ingestImage(plainly, source);
          const { manifest, report } = await ingestEncoded({ ...encoded, compute } as TestNode, image, isSizeKnown);
          expect(manifest).toEqual(expected.manifest);
          expect((await collect(readImage(encoded, manifest))).equals(image)).toBe(true);
          expect(expected.report).toMatchObject({ storedBytes: expected.report.newBytes, encodedPieces: 0 });
          expect(report.storedBytes).toBeLessThanOrEqual(report.newBytes);
          expect(report.storedBytes < report.newBytes).toBe(report.encodedPieces > 0);
        }),
        { numRuns: 15 },
      );
    },
  );

  test.for([
    ['its size is known and small', 100, true],
    ['its size is unknown', 100, false],
    ['its size is unknown and its pack of middling size', 1500, false],
    ['it is known to have a pack of middling size', 1500, true],
    ['its pack grows large', 2500, true],
    ['it has several packs', 4300, true],
  ] as const)('stages frames that are exactly pieces when %s', { timeout: 60_000 }, async ([, chunks, isSizeKnown]) => {
    const node = createTestNode();
    const { store, packs } = recording(node.store);
    const { manifest, report } = await ingestEncoded({ ...node, store }, textDisk(chunks), isSizeKnown);
    let pieces = 0;
    for (const [i, pack] of manifest.packs.entries()) {
      const descriptor = await node.store.findPack(pack);
      if (!descriptor) throw new Error('the pack is there');
      const lengths = Array.from({ length: descriptor.pieceCount }, (_, piece) => {
        const { first, count } = pieceChunks(descriptor, piece);
        return { plainBytes: chunkOffset(descriptor, first + count) - chunkOffset(descriptor, first), isFrame: true };
      });
      expect(packs[i]).toEqual(lengths);
      pieces += descriptor.pieceCount;
    }
    expect(report.encodedPieces).toBe(pieces);
    expect(report.storedBytes).toBeLessThan(report.newBytes / 10);
  });

  test('holds no more than it may of what could be regrouped', async () => {
    const node = createTestNode();
    const { store, packs } = recording(node.store);
    // Noise is held plain, so 40 MiB of it are more than is held; the frames before it go out as they are.
    const image = Buffer.concat([textDisk(64), incompressible(640 * CHUNK), textDisk(16)]);
    const { report } = await ingestEncoded({ ...node, store }, image, false);
    expect(packs[0]?.[0]).toEqual({ plainBytes: 16 * CHUNK, isFrame: true });
    expect(report.encodedPieces).toBe(4);
  }, 60_000);

  test('leaves nothing behind when a stage takes no frames', async () => {
    const node = createTestNode();
    const store: PackStore = {
      ...node.store,
      async stagePack(waiting) {
        const stage = await node.store.stagePack(waiting);
        return { ...stage, appendFrame: () => Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' })) };
      },
    };
    await expect(ingestEncoded({ ...node, store }, textDisk(64))).rejects.toMatchObject({ code: 'IMAGE_NO_SPACE' });
    expect(await node.catalog.findRecords(anyRef)).toEqual([]);
    expect(await node.store.evict(0)).toMatchObject({ keptBytes: 0, heldBytes: 0 });
  });
});
