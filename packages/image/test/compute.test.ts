import { digestOf } from '@quarry/content';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createCompute } from '../src/threads/compute.ts';
import type { Compute } from '../src/threads/compute.ts';
import { noise } from './support/any-image.ts';

async function anyCompute(maxThreads: number): Promise<Compute> {
  const compute = createCompute({ maxThreads });
  onTestFinished(() => compute.close());
  await compute.warmUp();
  return compute;
}

/** As a pool's block: other threads see it. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

const zeros = new Uint8Array(32);

describe.for([0, 1, 2])('work on bytes with %i threads', (threads) => {
  test('gives every chunk its digest in order, and none to zeros, wherever the chunks lie', async () => {
    const compute = await anyCompute(threads);
    const anyLengths = fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(anyLengths, fc.boolean(), fc.boolean()), { maxLength: 4 }), async (blocks) => {
        const chunks = blocks.flatMap(([lengths, isShared, isZero], seed) => {
          const total = lengths.reduce((sum, length) => sum + length, 0);
          const bytes = isZero ? new Uint8Array(total) : noise(total, seed);
          const block = isShared ? shared(bytes) : bytes;
          let at = 0;
          return lengths.map((length) => block.subarray(at, (at += length)));
        });
        const expected = chunks.map((chunk) => (chunk.some((byte) => byte !== 0) ? digestOf(chunk) : zeros));
        expect(Buffer.from(await compute.digests(chunks)).equals(Buffer.concat(expected))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('names the chunks that do not have their digest', async () => {
    const compute = await anyCompute(threads);
    const bytes = shared(noise(300_000, 1));
    const digests = Buffer.concat([0, 100_000, 200_000].map((at) => digestOf(bytes.subarray(at, at + 100_000))));
    const lengths = [100_000, 100_000, 100_000];
    expect(await compute.badChunks(bytes, lengths, digests)).toEqual([]);
    bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
    bytes[299_999] = (bytes[299_999] ?? 0) ^ 1;
    expect(await compute.badChunks(bytes, lengths, digests)).toEqual([1, 2]);
  });
});
