import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManifestBuilder, fixed64k, publicDomain } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { destinationFailure } from '../src/destination-failure.ts';
import { rebuildImage, verifyImageFile } from '../src/index.ts';
import { diskImage, noise } from './support/any-image.ts';
import { connect, createFetchNode, createKnowingPeer } from './support/fetch-node.ts';
import { plantRotten } from './support/rotten-pack.ts';
import { createTestNode, ingestBytes } from './support/test-node.ts';

const CHUNK = 65536;
const image = Buffer.concat([diskImage(3, 1), Buffer.alloc(40 * CHUNK), noise(5 * CHUNK, 2), Buffer.alloc(7 * CHUNK)]);

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-rebuild-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('a rebuilt image', () => {
  test('is a sparse file, bit for bit the same', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const destination = join(directory, 'image');
    const report = await rebuildImage(node, manifest, destination);
    expect(report).toEqual({
      imageBytes: image.length,
      writtenBytes: 8 * CHUNK,
      holeBytes: 47 * CHUNK,
      healedChunks: 0,
    });
    expect((await readFile(destination)).equals(image)).toBe(true);
    expect((await stat(destination)).blocks * 512).toBeLessThan(12 * CHUNK);
    expect(await readdir(directory)).toEqual(['image']);
  });

  test('may be empty', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, Buffer.alloc(0));
    await rebuildImage(node, manifest, join(directory, 'image'));
    expect(await readFile(join(directory, 'image'))).toEqual(Buffer.alloc(0));
  });

  test('is held against the hash of the whole when one is given', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    for (const algorithm of ['sha512', 'sha256', 'sha384', 'blake2b512'] as const) {
      const value = createHash(algorithm).update(image).digest('hex');
      await rebuildImage(node, manifest, join(directory, algorithm), { expectedHash: { algorithm, value } });
    }
    const wrong = { algorithm: 'sha256' as const, value: '00'.repeat(32) };
    await expect(rebuildImage(node, manifest, join(directory, 'wrong'), { expectedHash: wrong })).rejects.toMatchObject(
      {
        code: 'IMAGE_HASH_MISMATCH',
        details: { expected: wrong.value },
      },
    );
    expect((await readdir(directory)).toSorted()).toEqual(['blake2b512', 'sha256', 'sha384', 'sha512']);
  });

  test('tells how far it is', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const seen: number[] = [];
    await rebuildImage(node, manifest, join(directory, 'image'), {
      onProgress: ({ rebuiltBytes }) => seen.push(rebuiltBytes / CHUNK),
    });
    expect(seen).toEqual([3, 43, 48, 55]);
  });

  test('is passed by verifyImageFile, which names the first byte of a chunk that differs', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const destination = join(directory, 'image');
    await rebuildImage(node, manifest, destination);
    expect(await verifyImageFile(node, manifest, destination)).toEqual({ checkedBytes: image.length });
    for (const [at, offset] of [
      [2 * CHUNK + 9, 2 * CHUNK],
      [20 * CHUNK + 9, 20 * CHUNK + 9],
    ] as const) {
      const bad = Buffer.from(image);
      bad[at] = 1 + (bad[at] ?? 0);
      await writeFile(destination, bad);
      await expect(verifyImageFile(node, manifest, destination)).rejects.toMatchObject({
        code: 'IMAGE_FILE_DIFFERS',
        details: { offset },
      });
    }
    await writeFile(destination, image.subarray(0, -1));
    await expect(verifyImageFile(node, manifest, destination)).rejects.toMatchObject({ code: 'IMAGE_FILE_DIFFERS' });
    await expect(verifyImageFile(node, manifest, join(directory, 'none'))).rejects.toMatchObject({
      code: 'IMAGE_DESTINATION_UNUSABLE',
    });
  });
});

describe('chunks in the store that are not what they should be', () => {
  test('are fetched anew once', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image);
    const node = createFetchNode(seeder, [seeder]);
    await plantRotten(seeder, manifest, node.store, { rottenChunk: 6 });
    const destination = join(directory, 'image');
    expect(await rebuildImage(node, manifest, destination)).toMatchObject({ healedChunks: 1 });
    expect((await readFile(destination)).equals(image)).toBe(true);
    expect((await node.store.verify()).badChunks).toEqual([]);
  });

  test('are an error that names them where nobody has better ones', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image);
    const node = createFetchNode(seeder, [await createKnowingPeer(seeder, manifest)]);
    const { pack } = await plantRotten(seeder, manifest, node.store, { rottenChunk: 6 });
    const destination = join(directory, 'image');
    await expect(rebuildImage(node, manifest, destination)).rejects.toMatchObject({
      code: 'IMAGE_CHUNK_BAD',
      details: { pack, chunks: [6] },
      cause: { code: 'SWARM_NO_SOURCE' },
    });
    const { swarm: _swarm, ...alone } = node;
    // Dropped by the first attempt, it is absent now.
    await expect(rebuildImage(alone, manifest, destination)).rejects.toMatchObject({
      code: 'IMAGE_CHUNKS_ABSENT',
      details: { pack, chunks: [6] },
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test('are fetched when they have been evicted', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image);
    const { store } = await createKnowingPeer(seeder, manifest);
    const alone = { ...createTestNode(), store };
    const destination = join(directory, 'image');
    await expect(rebuildImage(alone, manifest, destination)).rejects.toMatchObject({ code: 'IMAGE_CHUNKS_ABSENT' });
    await rebuildImage(connect(alone, [seeder], [seeder]), manifest, destination);
    expect((await readFile(destination)).equals(image)).toBe(true);
  });

  test('are looked for in vain if the pack itself is unknown', async () => {
    const { manifest } = await ingestBytes(createTestNode(), image);
    await expect(rebuildImage(createTestNode(), manifest, join(directory, 'image'))).rejects.toMatchObject({
      code: 'IMAGE_UNKNOWN_PARTS',
    });
  });

  test('cannot be asked for by a manifest that does not fit its packs', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, Buffer.concat([diskImage(2, 1), noise(512, 4)]));
    const [pack] = manifest.packs;
    if (!pack) throw new Error('the image has a pack');
    const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
    builder.addChunk(pack, 2, CHUNK); // which has 512 bytes
    await expect(rebuildImage(node, builder.build(), join(directory, 'image'))).rejects.toMatchObject({
      code: 'IMAGE_BAD_MANIFEST',
    });
  });
});

describe('a destination', () => {
  test('that exists is left alone unless it may be overwritten', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const destination = join(directory, 'image');
    await writeFile(destination, 'precious');
    await expect(rebuildImage(node, manifest, destination)).rejects.toMatchObject({ code: 'IMAGE_DESTINATION_EXISTS' });
    expect(await readFile(destination, 'utf8')).toBe('precious');
    await rebuildImage(node, manifest, destination, { mayOverwrite: true });
    expect((await readFile(destination)).equals(image)).toBe(true);
  });

  test('that appears while the image is rebuilt is left alone too', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const destination = join(directory, 'image');
    const onProgress = ({ rebuiltBytes }: { readonly rebuiltBytes: number }): void => {
      if (rebuiltBytes === image.length) writeFileSync(destination, 'precious');
    };
    await expect(rebuildImage(node, manifest, destination, { onProgress })).rejects.toMatchObject({
      code: 'IMAGE_DESTINATION_EXISTS',
    });
    expect(await readFile(destination, 'utf8')).toBe('precious');
    expect(await readdir(directory)).toEqual(['image']);
  });

  test.for([
    ['a directory', 'EISDIR', 'name a file', async (at: string) => mkdir(at)],
    [
      'in no directory',
      'ENOENT',
      'create its directory',
      async (at: string) => rm(join(at, '..'), { recursive: true }),
    ],
    [
      'under a file',
      'ENOTDIR',
      'not a directory',
      async (at: string) => (await rm(join(at, '..'), { recursive: true }), writeFile(join(at, '..'), '')),
    ],
  ] as const)('that is %s is refused, and the error says so', async ([, systemCode, advice, prepare]) => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const destination = join(directory, 'sub', 'image');
    await mkdir(join(directory, 'sub'));
    await prepare(destination);
    await expect(rebuildImage(node, manifest, destination)).rejects.toMatchObject({
      code: 'IMAGE_DESTINATION_UNUSABLE',
      message: expect.stringContaining(advice),
      details: { destination, systemCode },
    });
  });

  test('where nobody may write is refused, and the error says so', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    await expect(rebuildImage(node, manifest, '/sys/image')).rejects.toMatchObject({
      code: 'IMAGE_DESTINATION_UNUSABLE',
      details: { destination: '/sys/image', systemCode: expect.stringMatching(/^(EACCES|EPERM|EROFS)$/) },
    });
  });

  test('that is a device or a pipe is refused', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    await expect(rebuildImage(node, manifest, '/dev/full', { mayOverwrite: true })).rejects.toMatchObject({
      code: 'IMAGE_DESTINATION_UNUSABLE',
      message: expect.stringContaining('name a regular file'),
    });
  });

  test('without room left is IMAGE_NO_SPACE', () => {
    for (const code of ['ENOSPC', 'EDQUOT']) {
      const cause = Object.assign(new Error('write'), { code });
      expect(destinationFailure('/images/noble', 'writing', cause)).toMatchObject({
        code: 'IMAGE_NO_SPACE',
        message: expect.stringContaining('/images/noble'),
        canRetry: true,
        cause,
      });
    }
  });

  test('gets its directory cleared of what killed runs for it left behind, and of nothing else', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const others = ['.other.quarry-0123456789ab.part', '.image.part', '.image.quarry-notes'];
    for (const name of ['.image.quarry-0123456789ab.part', ...others]) await writeFile(join(directory, name), 'x');
    await rebuildImage(node, manifest, join(directory, 'image'));
    expect((await readdir(directory)).toSorted()).toEqual([...others, 'image'].toSorted());
  });

  test('may be rebuilt to by two at once: one wins, the other is told', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const destination = join(directory, 'image');
    const results = await Promise.allSettled(
      [1, 2].map((seed) => rebuildImage({ ...node, random: createSeededRandom(seed) }, manifest, destination)),
    );
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'IMAGE_DESTINATION_EXISTS' },
    });
    expect(await readdir(directory)).toEqual(['image']);
  });

  test('may have the longest name that there is', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const name = 'n'.repeat(255);
    await rebuildImage(node, manifest, join(directory, name));
    expect(await readdir(directory)).toEqual([name]);
  });
});
