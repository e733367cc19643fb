import { createHash } from 'node:crypto';
import { domain, extentsOf, imageRef, limits, publicDomain, verifyImageRecord } from '@quarry/content';
import type { PackStage, PackStore } from '@quarry/content';
import { unsalted } from '@quarry/content/conformance';
import { createMemoryPackStore } from '@quarry/content/memory';
import { CodedError, createBufferPool } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ingestImage, readImage } from '../src/index.ts';
import { createCompute } from '../src/threads/compute.ts';
import { anyImage, diskImage, noise } from './support/any-image.ts';
import { collect, streamOf } from './support/streams.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';
import type { TestNode } from './support/test-node.ts';

const CHUNK = 65536;

/** Small and large buffers in turn; small ones alone would only take long. */
const anySplit = fc.tuple(
  fc.integer({ min: 1, max: 2000 }),
  fc.integer({ min: 20_000, max: 3 << 20 }),
  fc.nat(200_000),
);

describe('an ingested image', () => {
  test('comes out as it went in, whatever it is made of and however its stream is split', async () => {
    await fc.assert(
      fc.asyncProperty(anyImage, anySplit, async (image, lengths) => {
        const node = createTestNode();
        const { manifest, report } = await ingestBytes(node, image, { lengths });
        expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
        expect(report.zeroBytes + report.knownBytes + report.repeatedBytes + report.newBytes).toBe(image.length);
        expect(report.newBytes).toBe(node.store.usage().presentBytes);
      }),
      { numRuns: 40 },
    );
  }, 30_000);

  test('has the same packs and manifest however its stream is split, also on top of packs that share its chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyImage, { minLength: 1, maxLength: 3 }),
        anyImage,
        anySplit,
        async (before, image, lengths) => {
          const manifests = [];
          for (const split of [[image.length], lengths]) {
            const node = createTestNode();
            for (const [i, other] of before.entries()) await ingestBytes(node, other, { ref: imageRef(`before ${i}`) });
            manifests.push((await ingestBytes(node, image, { lengths: split })).manifest);
          }
          expect(manifests[1]).toEqual(manifests[0]);
        },
      ),
      { numRuns: 25 },
    );
  }, 30_000);

  test('does not need the buffers that it has given back', async () => {
    await fc.assert(
      fc.asyncProperty(anyImage, fc.constantFrom(100_000, 600_000, 1 << 20), async (image, bufferBytes) => {
        const node = createTestNode();
        const pool = createBufferPool({ bufferBytes, maxFree: 100 });
        const spoiling = { ...pool, give: (buffer: Uint8Array): void => pool.give(spoiled(buffer)) };
        async function* source(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < image.length; at += bufferBytes) {
            const part = image.subarray(at, at + bufferBytes);
            const buffer = pool.take();
            buffer.set(part);
            yield buffer.subarray(0, part.length);
          }
        }
        const given = { ref: anyRef, domain: publicDomain, imageBytes: image.length };
        const { manifest } = await ingestImage(node, { ...given, bytes: source(), pool: spoiling });
        expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
      }),
      { numRuns: 25 },
    );
  }, 30_000);

  test('makes no new pack and the same manifest the second time', async () => {
    await fc.assert(
      fc.asyncProperty(anyImage, async (image) => {
        const node = createTestNode();
        const first = await ingestBytes(node, image);
        const second = await ingestBytes(node, image);
        expect(second.manifest).toEqual(first.manifest);
        expect(second.report).toMatchObject({ newPacks: 0, newBytes: 0 });
      }),
      { numRuns: 25 },
    );
  }, 30_000);

  test.for([
    ['empty', Buffer.alloc(0), 0],
    ['a single byte', Buffer.from([7]), 1],
    ['a single zero byte', Buffer.alloc(1), 0],
    ['all zeros', Buffer.alloc(20 * CHUNK + 5), 0],
    ['one whole chunk', diskImage(1, 1), 1],
    ['whole chunks and a short one', Buffer.concat([diskImage(3, 1), noise(512, 5)]), 4],
  ] as const)('may be %s', async ([, image, chunks]) => {
    const node = createTestNode();
    const { manifest, report } = await ingestBytes(node, image);
    expect(report.chunks).toBe(chunks);
    expect(manifest.imageBytes).toBe(image.length);
    expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
  });

  test('shares what it has in common with an earlier one, in long runs', async () => {
    const node = createTestNode();
    const base = diskImage(40, 1);
    await ingestBytes(node, base, { ref: imageRef('base') });
    const snapshot = Buffer.concat([base.subarray(0, 20 * CHUNK), noise(2 * CHUNK, 3), base.subarray(20 * CHUNK)]);
    const { manifest, report } = await ingestBytes(node, snapshot);
    expect(report).toMatchObject({ knownBytes: 40 * CHUNK, newBytes: 2 * CHUNK, newPacks: 1 });
    expect([...extentsOf(manifest)].map(({ length }) => length / CHUNK)).toEqual([20, 2, 20]);
  });

  test('follows a pack from chunk to chunk where its chunks lie in several', async () => {
    const node = createTestNode();
    const [head, a, b, c] = [diskImage(1, 1), noise(CHUNK, 2), noise(CHUNK, 3), noise(CHUNK, 4)] as const;
    // `b` alone becomes known first; a pack that has a, b, c in a row must still give one extent.
    await ingestBytes(node, Buffer.concat([head, b]), { ref: imageRef('b') });
    const other = createTestNode();
    const whole = await ingestBytes(other, Buffer.concat([head, a, b, c]), { ref: imageRef('abc') });
    const [pack] = whole.manifest.packs;
    const descriptor = pack && (await other.store.findPack(pack));
    if (!descriptor) throw new Error('the pack is there');
    const stage = await node.store.stagePack();
    await stage.append([await other.store.readChunks(descriptor.id, 0, 4)]);
    await stage.finish(descriptor);
    const { manifest } = await ingestBytes(node, Buffer.concat([diskImage(1, 9), a, b, c]));
    expect([...extentsOf(manifest)].map(({ length }) => length / CHUNK)).toEqual([1, 3]);
  });

  test('of a project uses public chunks and its own, never those of another project', async () => {
    const node = createTestNode();
    const [shared, secret] = [diskImage(4, 1), noise(4 * CHUNK, 2)];
    const source = { imageBytes: undefined, bytes: streamOf(Buffer.concat([shared])) };
    await ingestImage(node, { ...source, ref: imageRef('base'), domain: publicDomain });
    const image = Buffer.concat([shared, secret]);
    const ingestFor = (project: string): ReturnType<typeof ingestImage> =>
      ingestImage(node, { ref: imageRef(project), domain: domain(`project:${project}`), bytes: streamOf(image) });
    expect((await ingestFor('a')).report).toMatchObject({ knownBytes: 4 * CHUNK, newBytes: 4 * CHUNK });
    expect((await ingestFor('b')).report).toMatchObject({ knownBytes: 4 * CHUNK, newBytes: 4 * CHUNK });
    expect((await ingestFor('a')).report).toMatchObject({ knownBytes: 8 * CHUNK, newBytes: 0 });
  });

  test('of a project makes the same private packs on the same node each time, and others on another', async () => {
    const [node, other] = [createTestNode(), createTestNode()];
    const image = diskImage(6, 1);
    const ingestOn = (on: TestNode): ReturnType<typeof ingestImage> =>
      ingestImage(on, { ref: anyRef, domain: domain('project:a'), bytes: streamOf(image) });
    const { manifest } = await ingestOn(node);
    const [pack] = manifest.packs;
    const descriptor = pack && (await node.store.findPack(pack));
    expect(manifest.packs).toHaveLength(1);
    expect(manifest.secrets).toEqual(new Map([[pack, descriptor?.secret]]));
    expect((await ingestOn(node)).manifest).toEqual(manifest);
    const again = await ingestOn({ ...node, store: createMemoryPackStore() });
    expect(again.manifest).toEqual(manifest);
    expect((await ingestOn(other)).manifest.packs).not.toEqual(manifest.packs);
  });

  test('of a project tells the secrets of private packs that were here before, too', async () => {
    const node = createTestNode();
    const owner = { domain: domain('project:a') };
    await ingestImage(node, { ref: imageRef('base'), domain: publicDomain, bytes: streamOf(diskImage(2, 3)) });
    const before = await ingestImage(node, { ref: imageRef('a'), ...owner, bytes: streamOf(diskImage(4, 1)) });
    const image = Buffer.concat([diskImage(4, 1), diskImage(2, 3), noise(CHUNK, 2)]);
    const { manifest } = await ingestImage(node, { ref: imageRef('b'), ...owner, bytes: streamOf(image) });
    expect(manifest.packs).toHaveLength(3);
    expect(manifest.secrets.size).toBe(2);
    for (const [pack, secret] of before.manifest.secrets) expect(manifest.secrets.get(pack)).toEqual(secret);
    expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
  });

  test('of a project uses no chunk of a pack of an older build, which nobody would be given', async () => {
    const [node, other] = [createTestNode(), createTestNode()];
    const image = diskImage(4, 1);
    const source = { ref: anyRef, domain: domain('project:a') };
    const { manifest } = await ingestImage(other, { ...source, bytes: streamOf(image) });
    const [pack] = manifest.packs;
    const descriptor = pack && (await other.store.findPack(pack));
    if (!descriptor) throw new Error('the pack is there');
    const stage = await node.store.stagePack();
    await stage.append([image]);
    await stage.finish(unsalted(descriptor));
    const { report } = await ingestImage(node, { ...source, bytes: streamOf(image) });
    expect(report).toMatchObject({ knownBytes: 0, newBytes: image.length });
  });

  test('does not count chunks as known that are not here', async () => {
    const node = createTestNode();
    const image = diskImage(8, 1);
    const other = createTestNode();
    const { manifest } = await ingestBytes(other, image);
    for (const pack of manifest.packs) {
      const descriptor = await other.store.findPack(pack);
      if (descriptor) await node.store.addPack(descriptor);
    }
    const again = await ingestBytes(node, image);
    expect(again.report).toMatchObject({ knownBytes: 0, newBytes: image.length });
    expect(again.manifest.id).toBe(manifest.id);
    expect((await collect(readImage(node, again.manifest))).equals(image)).toBe(true);
  });

  test('is published with a record that its publisher has signed', async () => {
    const node = createTestNode();
    const image = diskImage(4, 1);
    const { record, manifest } = await ingestBytes(node, image, { hash: 'sha512' });
    verifyImageRecord(record);
    const hash = { algorithm: 'sha512', value: createHash('sha512').update(image).digest('hex') };
    expect(record).toMatchObject({ ref: anyRef, imageBytes: image.length, hash, manifest: manifest.id });
    expect(manifest.hash).toEqual(hash);
    expect(await node.catalog.findRecords(anyRef)).toEqual([record]);
    expect(await node.catalog.findManifest(manifest.id)).toEqual(manifest);
  });

  test('tells how far it is', async () => {
    const node = createTestNode();
    const image = diskImage(160, 1);
    const seen: number[] = [];
    await ingestImage(
      node,
      { ref: anyRef, domain: publicDomain, bytes: streamOf(image, [1 << 20]), imageBytes: image.length },
      { onProgress: ({ readBytes }) => seen.push(readBytes) },
    );
    expect(seen).toEqual([4, 8, 10].map((blocks) => blocks << 20));
  });
});

describe('an ingest with several threads', () => {
  /** Of some packs: zeros, repeats, long runs; in shared blocks, as an origin fills them. */
  const image = Buffer.concat([
    diskImage(100, 1),
    Buffer.alloc(40 * CHUNK),
    diskImage(50, 1),
    noise(60 * CHUNK + 5, 2),
  ]);
  const bytes = Buffer.concat([Buffer.of(1), image]); // no disk: cut by content

  async function ingestWith(maxThreads: number, bytes: Buffer): ReturnType<typeof ingestImage> {
    const compute = createCompute({ maxThreads });
    onTestFinished(() => compute.close());
    await compute.warmUp();
    const source = { ref: anyRef, domain: publicDomain, bytes: streamOf(bytes, [100_000]), imageBytes: bytes.length };
    const node = createTestNode();
    const result = await ingestImage({ ...node, compute }, source);
    expect((await collect(readImage(node, result.manifest))).equals(bytes)).toBe(true);
    return result;
  }

  test('makes the same packs and manifest as with none', { timeout: 30_000 }, async () => {
    for (const content of [image, bytes]) {
      const alone = await ingestWith(0, content);
      for (const threads of [1, 2]) {
        const { manifest, report } = await ingestWith(threads, content);
        expect(manifest).toEqual(alone.manifest);
        expect(report).toEqual(alone.report);
      }
    }
  });

  test('fails when a thread dies, and publishes nothing', async () => {
    const node = createTestNode();
    const compute = createCompute({ maxThreads: 1 });
    await compute.warmUp();
    const { store, staged } = countingStages(node.store);
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* streamOf(image.subarray(0, 80 * CHUNK), [100_000]);
      await compute.close();
      yield* streamOf(image.subarray(80 * CHUNK), [100_000]);
    }
    const given = { ref: anyRef, domain: publicDomain, bytes: source(), imageBytes: image.length };
    const code = 'IMAGE_THREAD_FAILED';
    await expect(ingestImage({ ...node, store, compute }, given)).rejects.toMatchObject({ name: 'ImageError', code });
    expect(staged()).toBe(0);
    expect(await node.catalog.findRecords(anyRef)).toEqual([]);
    expect(await node.store.evict(0)).toMatchObject({ keptBytes: 0, heldBytes: 0 });
  });
});

describe('an ingest that cannot succeed', () => {
  const image = diskImage(40, 1);
  const source = { ref: anyRef, domain: publicDomain };

  async function expectNothingPublished(node: ReturnType<typeof createTestNode>, staged: () => number): Promise<void> {
    expect(await node.catalog.findRecords(anyRef)).toEqual([]);
    expect(staged()).toBe(0);
    // Nothing is leased any more: all of it can go.
    expect(await node.store.evict(0)).toMatchObject({ keptBytes: 0, heldBytes: 0 });
  }

  test.for([
    ['a source that fails', 'IMAGE_SOURCE_FAILED', { bytes: failing(image, 20 * CHUNK), imageBytes: image.length }],
    [
      'a source that ends early',
      'IMAGE_SIZE_MISMATCH',
      { bytes: streamOf(image.subarray(0, 39 * CHUNK)), imageBytes: image.length },
    ],
    ['a source that goes on', 'IMAGE_SIZE_MISMATCH', { bytes: streamOf(image, [CHUNK]), imageBytes: image.length - 1 }],
    [
      'a source with another hash',
      'IMAGE_HASH_MISMATCH',
      { bytes: streamOf(image), expectedHash: { algorithm: 'sha256' as const, value: '00'.repeat(32) } },
    ],
    ['a size beyond the format', 'IMAGE_TOO_LARGE', { bytes: streamOf(image), imageBytes: limits.maxImageBytes + 1 }],
  ] as const)('because of %s says %s and publishes nothing', async ([, code, given]) => {
    const node = createTestNode();
    const { store, staged } = countingStages(node.store);
    await expect(ingestImage({ ...node, store }, { ...source, ...given })).rejects.toMatchObject({
      name: 'ImageError',
      code,
    });
    await expectNothingPublished(node, staged);
  });

  test.for(['stagePack', 'append', 'finish', 'sync'] as const)(
    'because the disk is full at %s says IMAGE_NO_SPACE',
    async (step) => {
      const node = createTestNode();
      const full = new CodedError('STORE_DISK_FULL', 'no space left', { canRetry: true });
      const { store, staged } = countingStages(node.store, (call) => (call === step ? full : undefined));
      await expect(ingestImage({ ...node, store }, { ...source, bytes: streamOf(image) })).rejects.toMatchObject({
        code: 'IMAGE_NO_SPACE',
        cause: full,
      });
      await expectNothingPublished(node, staged);
      expect((await ingestBytes(node, image)).report.imageBytes).toBe(image.length);
    },
  );

  test('because it was aborted rejects with the reason, even while the source hangs', async () => {
    const node = createTestNode();
    const { store, staged } = countingStages(node.store);
    const controller = new AbortController();
    const reason = new Error('enough');
    const ingest = ingestImage(
      { ...node, store },
      { ...source, bytes: hanging(image, () => controller.abort(reason)) },
      { signal: controller.signal },
    );
    await expect(ingest).rejects.toBe(reason);
    await expectNothingPublished(node, staged);
  });

  test('because two hashes are asked for is a mistake of the caller', async () => {
    const expectedHash = { algorithm: 'sha256' as const, value: '00'.repeat(32) };
    const given = { ...source, bytes: streamOf(image), expectedHash, hash: 'sha512' as const };
    await expect(ingestImage(createTestNode(), given)).rejects.toThrow(TypeError);
  });
});

/** As the next user of a buffer would leave it. */
function spoiled(buffer: Uint8Array): Uint8Array {
  new Uint8Array(buffer.buffer).fill(0xee);
  return buffer;
}

async function* failing(bytes: Uint8Array, after: number): AsyncGenerator<Uint8Array> {
  yield* streamOf(bytes.subarray(0, after), [CHUNK]);
  throw new CodedError('ORIGIN_CHANGED', 'the image changed while it was read');
}

async function* hanging(bytes: Uint8Array, onHang: () => void): AsyncGenerator<Uint8Array> {
  yield bytes;
  yield await new Promise<never>(() => setImmediate(onHang));
}

/** The store with its open stages counted, and failures where `fail` wants them. */
function countingStages(
  store: PackStore,
  fail: (call: 'stagePack' | 'append' | 'finish' | 'sync') => Error | undefined = () => undefined,
): { readonly store: PackStore; readonly staged: () => number } {
  let open = 0;
  const check = (call: Parameters<typeof fail>[0]): void => {
    const error = fail(call);
    if (error) throw error;
  };
  const wrap = (stage: PackStage): PackStage => ({
    async append(buffers, waiting) {
      check('append');
      await stage.append(buffers, waiting);
    },
    async appendFrame(frame, plainBytes, waiting) {
      check('append');
      await stage.appendFrame(frame, plainBytes, waiting);
    },
    async finish(descriptor, waiting) {
      check('finish');
      await stage.finish(descriptor, waiting);
      open -= 1;
    },
    async discard() {
      await stage.discard();
      open -= 1;
    },
  });
  return {
    staged: () => open,
    store: {
      ...store,
      async stagePack(waiting) {
        check('stagePack');
        const stage = wrap(await store.stagePack(waiting));
        open += 1;
        return stage;
      },
      async sync() {
        check('sync');
        await store.sync();
      },
    },
  };
}
