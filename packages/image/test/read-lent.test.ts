import { ftruncateSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publicDomain } from '@quarry/content';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openImage } from '../src/index.ts';
import { createCompute } from '../src/threads/compute.ts';
import type { Compute } from '../src/threads/compute.ts';
import { anyImage, diskImage } from './support/any-image.ts';
import { connect } from './support/fetch-node.ts';
import { lendingStore } from './support/lending-store.ts';
import { createTestNode, ingestBytes } from './support/test-node.ts';

const CHUNK = 65536;
const image = Buffer.concat([diskImage(60, 1), Buffer.alloc(40 * CHUNK), diskImage(100, 2)]);

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-read-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function running(): Promise<Compute> {
  const compute = createCompute({ maxThreads: 1 });
  onTestFinished(() => compute.close());
  await compute.warmUp();
  return compute;
}

/** Reads the image as who gives each buffer back as soon as the next but one is there; how many chunks of it other threads have read. */
async function read(bytes: Uint8Array, compute: Compute, spoil?: (fd: number) => void): Promise<[Buffer, number]> {
  const node = createTestNode();
  const { record } = await ingestBytes(node, bytes, { hash: 'sha256' });
  const packs = await mkdtemp(join(directory, 'packs-'));
  const store = lendingStore(node.store, packs, spoil);
  const { hash, ref, imageBytes } = record;
  if (!hash) throw new Error('one was asked for');
  const deps = { ...connect({ ...node, store }, [], []), compute };
  const opened = await openImage(deps, { ref, imageBytes, hash, domain: publicDomain }, { patienceMs: 0 });
  if (!opened) throw new Error('the image is here');
  const parts: Buffer[] = [];
  let last: Uint8Array | undefined;
  for await (const part of opened.bytes) {
    parts.push(Buffer.from(part));
    if (last) opened.recycle(last);
    last = part;
  }
  await store.close();
  return [Buffer.concat(parts), store.lent.chunks];
}

describe('a stream whose reader gives its buffers back', () => {
  test('is read by other threads, and the same', { timeout: 30_000 }, async () => {
    const compute = await running();
    const [all, lentChunks] = await read(image, compute);
    expect(all.equals(image)).toBe(true);
    expect(lentChunks).toBeGreaterThan(60);
    await fc.assert(
      fc.asyncProperty(anyImage, async (bytes) => {
        const [same] = await read(bytes, compute);
        expect(Buffer.compare(same, bytes)).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  test.for([
    ['a byte of the file is another', (fd: number): unknown => writeSync(fd, Buffer.of(0, 1, 2, 3), 0, 4, 150 * CHUNK)],
    ['a frame of it is none', (fd: number): unknown => writeSync(fd, Buffer.alloc(1000), 0, 1000, 148 * CHUNK)],
    ['it is shorter than it was', (fd: number) => ftruncateSync(fd, 130 * CHUNK)],
  ] as const)('is right where %s', async ([, spoil]) => {
    const [all, lentChunks] = await read(image, await running(), spoil);
    expect(lentChunks).toBeGreaterThan(60);
    expect(all.equals(image)).toBe(true);
  });

  test('goes on when the thread dies', async () => {
    const compute = await running();
    const [all] = await read(image, compute, () => void compute.close());
    expect(all.equals(image)).toBe(true);
  });
});
