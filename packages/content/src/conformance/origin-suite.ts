import { createBufferPool } from '@quarry/runtime';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { imageRef } from '../ids.ts';
import type { ImageRef } from '../ids.ts';
import type { Origin, OriginImage } from '../ports/origin.ts';
import { expectBytes, expectCode } from './pack-store/subject.ts';

/** One origin under test, without images. */
export interface OriginSubject {
  readonly origin: Origin;
  /** Puts an image there, as whoever owns the origin would. */
  readonly put: (bytes: Uint8Array) => Promise<ImageRef>;
  readonly remove: (ref: ImageRef) => Promise<void>;
  /** Gives the image other content; absent where images never change. */
  readonly replace?: (ref: ImageRef, bytes: Uint8Array) => Promise<void>;
  /** Closes what is open and removes what is left. */
  dispose(): Promise<void>;
}

export interface OriginHarness {
  readonly create: () => Promise<OriginSubject>;
  readonly capabilities: {
    readonly canList: boolean;
    readonly hasRanges: boolean;
    readonly hasHashes: boolean;
    /** `replace` can be done to its images. */
    readonly isReplaceable: boolean;
  };
  /** How many random ranges are tried; each is a request. */
  readonly rangeRuns?: number;
}

const MAX_BUFFER_BYTES = 8 * 2 ** 20;
const SIZES = [1, 65_535, 65_536, 3 * 2 ** 20 + 7];

/** The laws of the Origin port, each a test. */
export function originSuite(name: string, harness: OriginHarness): void {
  const { canList, hasRanges, hasHashes, isReplaceable } = harness.capabilities;
  describe(name, () => {
    const subjects: OriginSubject[] = [];
    afterEach(async () => {
      for (const subject of subjects.splice(0)) await subject.dispose();
    });
    const subject = async (): Promise<OriginSubject> => {
      const created = await harness.create();
      subjects.push(created);
      return created;
    };
    const withImage = async (size: number): Promise<OriginSubject & { bytes: Uint8Array; image: OriginImage }> => {
      const created = await subject();
      const bytes = sampleBytes(size);
      const ref = await created.put(bytes);
      return { ...created, bytes, image: await created.origin.describe(ref) };
    };

    test('says of an image what it is called and how large it is, and the same when asked again', async () => {
      const { origin, image } = await withImage(100_000);
      expect(image.imageBytes).toBe(100_000);
      expect(image.name).not.toBe('');
      expect(image.version).not.toBe('');
      expect(await origin.describe(image.ref)).toEqual(image);
    });

    test(hasHashes ? 'knows the hash of an image' : 'knows no hash, and does not make one up', async () => {
      const { image } = await withImage(1000);
      if (!hasHashes) return expect(image.hash).toBeUndefined();
      expect(image.hash?.algorithm).toMatch(/^(sha|blake)/);
      expect(image.hash?.value).toMatch(/^[0-9a-f]{64,128}$/);
    });

    test('says of what it does not have that it is not found', async () => {
      const { origin } = await subject();
      for (const ref of ['b0c4ad1c-9d3f-4c44-8d7e-1f2a3b4c5d6e', 'nothing', '..', '../nothing', '/etc/passwd', '.']) {
        await expectCode(origin.describe(imageRef(ref)), 'ORIGIN_NOT_FOUND');
      }
    });

    test.for(SIZES)('streams a whole image of %d bytes, in buffers of bounded size', async (size) => {
      const { origin, bytes, image } = await withImage(size);
      const buffers = await buffersOf(origin.open(image));
      for (const buffer of buffers) expect(buffer.length).toBeLessThanOrEqual(MAX_BUFFER_BYTES);
      expectBytes(Buffer.concat(buffers), bytes);
    });

    test('gives the reader buffers to keep and to change', async () => {
      const { origin, bytes, image } = await withImage(400_000);
      const kept: Uint8Array[] = [];
      const spoilt: Uint8Array[] = [];
      for await (const buffer of origin.open(image)) {
        kept.push(Uint8Array.from(buffer)); // a Buffer's own slice is no copy
        buffer.fill(0xee);
        spoilt.push(buffer);
      }
      expectBytes(Buffer.concat(kept), bytes);
      expect(spoilt.every((buffer) => buffer.every((byte) => byte === 0xee))).toBe(true);
      expectBytes(Buffer.concat(await buffersOf(origin.open(image))), bytes);
    });

    test('may take its buffers from a pool, gives each out once, and leaves it alone afterwards', async () => {
      const { origin, bytes, image } = await withImage(400_000);
      const pool = createBufferPool({ bufferBytes: 100_000, maxFree: 2 });
      const kept: Uint8Array[] = [];
      for await (const buffer of origin.open(image, { offset: 1, length: 399_998, pool })) {
        kept.push(Uint8Array.from(buffer));
        new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).fill(0xee);
        pool.give(buffer); // at once: the next read may be into it
      }
      expectBytes(Buffer.concat(kept), bytes.subarray(1, 399_999));
    });

    test('reads any part of an image', async () => {
      const { origin, bytes, image } = await withImage(300_001);
      const range = fc
        .tuple(fc.nat(bytes.length), fc.nat(bytes.length))
        .map(([a, b]) => ({ offset: Math.min(a, b), length: Math.abs(a - b) }));
      await fc.assert(
        fc.asyncProperty(range, async ({ offset, length }) => {
          const read = Buffer.concat(await buffersOf(origin.open(image, { offset, length })));
          expectBytes(read, bytes.subarray(offset, offset + length));
        }),
        { numRuns: harness.rangeRuns ?? 25, examples: [[{ offset: 0, length: 1 }], [{ offset: 300_000, length: 1 }]] },
      );
      expect(origin.canRange(image)).toBe(hasRanges);
    });

    test('reads to the end when no length is given', async () => {
      const { origin, bytes, image } = await withImage(200_000);
      expectBytes(Buffer.concat(await buffersOf(origin.open(image, { offset: 150_000 }))), bytes.subarray(150_000));
    });

    test('a range that lies outside of the image is a mistake of the programmer', async () => {
      const { origin, image } = await withImage(1000);
      for (const [offset, length] of [
        [-1, 2],
        [0, 1001],
        [1001, 0],
        [0.5, 1],
        [0, -1],
        [Number.NaN, 1],
      ] as const) {
        expect(() => origin.open(image, { offset, length })).toThrow(TypeError);
      }
    });

    test('serves several readers at once', async () => {
      const { origin, bytes, image } = await withImage(500_000);
      const offsets = [0, 100_000, 250_000, 499_999, 0];
      const reads = offsets.map(async (offset) => Buffer.concat(await buffersOf(origin.open(image, { offset }))));
      for (const [index, read] of (await Promise.all(reads)).entries()) {
        expectBytes(read, bytes.subarray(offsets[index] ?? 0));
      }
    });

    test('a removed image is not found, neither by its name nor by what it was described as', async () => {
      const { origin, image, remove } = await withImage(1000);
      await remove(image.ref);
      await expectCode(origin.describe(image.ref), 'ORIGIN_NOT_FOUND');
      await expectCode(buffersOf(origin.open(image)), 'ORIGIN_NOT_FOUND');
    });

    if (isReplaceable) {
      test.for([
        ['of another size', 70_000],
        ['of the same size', 100_000],
      ] as const)('content %s has another version, and is not read as the old one', async ([, size]) => {
        const { origin, image, replace } = await withImage(100_000);
        await replace?.(image.ref, sampleBytes(size, 99));
        expect((await origin.describe(image.ref)).version).not.toBe(image.version);
        await expectCode(buffersOf(origin.open(image)), 'ORIGIN_CHANGED');
        await expectCode(buffersOf(origin.open(image, { offset: 1000, length: 1000 })), 'ORIGIN_CHANGED');
      });

      test('an image replaced while it is read is never given as a mixture', async () => {
        const { origin, bytes, image, replace } = await withImage(12 * 2 ** 20);
        const buffers: Uint8Array[] = [];
        let failure: unknown;
        try {
          for await (const buffer of origin.open(image)) {
            if (buffers.length === 0) await replace?.(image.ref, sampleBytes(bytes.length, 99));
            buffers.push(buffer);
          }
        } catch (error) {
          failure = error;
        }
        // Whoever still had the old one may finish it; else it must say so.
        if (failure === undefined) expectBytes(Buffer.concat(buffers), bytes);
        else expect(failure).toMatchObject({ code: 'ORIGIN_CHANGED' });
      });
    }

    test(canList ? 'lists what it has, as it describes it' : 'says that it cannot list', async () => {
      const { origin, put } = await subject();
      if (!canList) return await expectCode(listed(origin), 'ORIGIN_NO_LISTING');
      expect(await listed(origin)).toEqual([]);
      const refs = [await put(sampleBytes(10)), await put(sampleBytes(20)), await put(sampleBytes(30))];
      const images = await listed(origin);
      expect(images.map(({ ref }) => ref).sort()).toEqual(refs.toSorted());
      for (const image of images) expect(await origin.describe(image.ref)).toEqual(image);
    });

    test('rejects with the reason of a signal that has aborted', async () => {
      const { origin, image } = await withImage(1000);
      const reason = new Error('not wanted any more');
      const signal = AbortSignal.abort(reason);
      await expect(origin.describe(image.ref, { signal })).rejects.toBe(reason);
      await expect(buffersOf(origin.open(image, { signal }))).rejects.toBe(reason);
      if (canList) await expect(listed(origin, signal)).rejects.toBe(reason);
    });

    test('a read that is aborted in the middle rejects with the reason, and others go on', async () => {
      const { origin, bytes, image } = await withImage(12 * 2 ** 20);
      const controller = new AbortController();
      const reason = new Error('not wanted any more');
      const reading = (async () => {
        for await (const _ of origin.open(image, { signal: controller.signal })) controller.abort(reason);
      })();
      await expect(reading).rejects.toBe(reason);
      expectBytes(Buffer.concat(await buffersOf(origin.open(image))), bytes);
    });

    test('a reader that leaves early leaves nothing behind', async () => {
      const { origin, bytes, image } = await withImage(2 ** 20);
      for (let i = 0; i < 20; i += 1) for await (const _ of origin.open(image)) break;
      expectBytes(Buffer.concat(await buffersOf(origin.open(image))), bytes);
    });

    test('after it is closed every call says so, and closing again changes nothing', async () => {
      const { origin, image } = await withImage(1000);
      await origin.close();
      await origin.close();
      await expectCode(origin.describe(image.ref), 'ORIGIN_CLOSED');
      await expectCode(buffersOf(origin.open(image)), 'ORIGIN_CLOSED');
      if (canList) await expectCode(listed(origin), 'ORIGIN_CLOSED');
    });

    test('closing ends a read that is going on', async () => {
      const { origin, image } = await withImage(12 * 2 ** 20);
      const reading = (async () => {
        for await (const _ of origin.open(image)) await origin.close();
      })();
      await expectCode(reading, 'ORIGIN_CLOSED');
    });
  });
}

/** Bytes in which each place differs from its neighbours and from the same place of another seed. */
function sampleBytes(size: number, seed: number = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b);
  return new Uint8Array(words.buffer, 0, size);
}

async function buffersOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const buffers: Uint8Array[] = [];
  for await (const buffer of stream) buffers.push(buffer);
  return buffers;
}

async function listed(origin: Origin, signal?: AbortSignal): Promise<OriginImage[]> {
  const images: OriginImage[] = [];
  for await (const image of origin.list({ signal })) images.push(image);
  return images;
}
