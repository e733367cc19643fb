import { createHash } from 'node:crypto';
import { createManifestBuilder, domain, imageRef, publicDomain, signImageRecord } from '@quarry/content';
import type { ImageHash, ImageRecord, ManifestId, PackId } from '@quarry/content';
import { createMemoryOrigin } from '@quarry/content/memory';
import type { MemoryOriginOptions } from '@quarry/content/memory';
import { describe, expect, test } from 'vitest';
import { fetchImage, ingestImage, readImage } from '../src/index.ts';
import type { FetchImageProgress } from '../src/index.ts';
import { diskImage, noise } from './support/any-image.ts';
import { connect, createFetchNode, createKnowingPeer } from './support/fetch-node.ts';
import { collect, streamOf } from './support/streams.ts';
import { createBrokenOrigin, watchOrigin } from './support/watched-origin.ts';
import type { WatchedOrigin } from './support/watched-origin.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';
import type { TestNode } from './support/test-node.ts';

const image = diskImage(20, 1);
const stranger = createTestNode();
const now = { patienceMs: 0 };

function sha512(bytes: Uint8Array): ImageHash {
  return { algorithm: 'sha512', value: createHash('sha512').update(bytes).digest('hex') };
}

function originWith(bytes: Uint8Array, options: MemoryOriginOptions = {}): WatchedOrigin {
  const origin = createMemoryOrigin(options);
  origin.put(anyRef, bytes);
  return watchOrigin(origin);
}

async function seederOf(bytes: Uint8Array, hash?: ImageHash['algorithm']): Promise<TestNode> {
  const seeder = createTestNode();
  await ingestBytes(seeder, bytes, hash ? { hash } : {});
  return seeder;
}

describe('whose word counts', () => {
  test('that of a trusted publisher does, without an origin', async () => {
    const seeder = await seederOf(image);
    const fetched = await fetchImage(createFetchNode(seeder, [seeder]), anyRef, now);
    expect(fetched).toMatchObject({ mustMatch: undefined, report: { route: 'packs', imageBytes: image.length } });
  });

  test('that of a stranger does not, and the refusal says what to do', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(stranger, [seeder]);
    await expect(fetchImage(node, anyRef, now)).rejects.toMatchObject({
      code: 'IMAGE_UNTRUSTED',
      message: expect.stringMatching(/trust the publisher, configure an origin .*, or say which hash/),
      details: { ref: anyRef, publishers: [Buffer.from(seeder.signer.publicKey).toString('hex')] },
    });
    expect(await node.catalog.findRecords(anyRef)).toEqual([]);
  });

  test('that of a stranger does if the image is then held against the hash that the caller or the origin gives', async () => {
    const seeder = await seederOf(image);
    const expectedHash = sha512(image);
    const byCaller = await fetchImage(createFetchNode(stranger, [seeder]), anyRef, { ...now, expectedHash });
    expect(byCaller.mustMatch).toEqual(expectedHash);
    const node = { ...createFetchNode(stranger, [seeder]), origin: originWith(image) };
    const byOrigin = await fetchImage(node, anyRef, now);
    expect(byOrigin).toMatchObject({ mustMatch: expectedHash, report: { bytesBySource: { origin: 0 } } });
  });

  test('that of a trusted publisher who names no hash is held against the one that the origin knows', async () => {
    const seeder = await seederOf(image);
    const named = await seederOf(image, 'sha512');
    const origin = originWith(image);
    const { mustMatch } = await fetchImage({ ...createFetchNode(seeder, [seeder]), origin }, anyRef, now);
    expect(mustMatch).toEqual(sha512(image));
    const bound = await fetchImage({ ...createFetchNode(named, [named]), origin }, anyRef, now);
    expect(bound.mustMatch).toBeUndefined();
  });

  test('a record counts no more when the origin has another hash or size by now', async () => {
    for (const [bytes, hash] of [
      [diskImage(20, 2), 'sha512'],
      [diskImage(21, 1), undefined],
    ] as const) {
      const seeder = await seederOf(image, hash);
      const node = { ...createFetchNode(seeder, [seeder]), origin: originWith(bytes) };
      await expect(fetchImage(node, anyRef, now)).rejects.toMatchObject({
        code: 'IMAGE_NOT_FOUND',
        details: { staleRecords: 1 },
      });
      const { report, manifest } = await fetchImage(node, anyRef, { ...now, ingestInto: publicDomain });
      expect(report.route).toBe('ingest');
      expect((await collect(readImage(node, manifest))).equals(bytes)).toBe(true);
    }
  });

  test('of two versions that trusted publishers know the later one counts, also against what is here', async () => {
    const [old, young] = [await seederOf(image), createTestNode()];
    await young.clock.advance(1000);
    const { record } = await ingestBytes(young, diskImage(20, 2));
    const node = createFetchNode(old, [old]);
    await fetchImage(node, anyRef, now);
    expect((await fetchImage(connect(node, [old, young], [old, young]), anyRef, now)).record).toEqual(record);
  });

  test("a record with a bad signature is nobody's word", async () => {
    const seeder = await seederOf(image);
    const [record] = await seeder.catalog.findRecords(anyRef);
    const forged: ImageRecord = { ...(record as ImageRecord), publishedAtMs: 9e12 };
    const node = createFetchNode(seeder, [seeder]);
    await expect(fetchImage(node, forged, now)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    expect((await fetchImage(node, record as ImageRecord, now)).record).toEqual(record);
  });

  test('a record of another image is not taken for this one', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(seeder, [seeder]);
    const [record] = await seeder.catalog.findRecords(anyRef);
    const swarm = { ...node.swarm, findRecords: async () => [record as ImageRecord] };
    await expect(fetchImage({ ...node, swarm }, imageRef('other'), now)).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
    });
  });

  test('peers are asked with the size and hash that the origin gives, which a private image takes', async () => {
    const seeder = await seederOf(image, 'sha512');
    const node = createFetchNode(seeder, [seeder]);
    const asked: unknown[] = [];
    const swarm: typeof node.swarm = {
      ...node.swarm,
      findRecords: async (ref, options) => {
        asked.push([ref, options?.imageBytes, options?.hash]);
        return node.swarm.findRecords(ref, options);
      },
    };
    await fetchImage({ ...node, swarm, origin: originWith(image) }, anyRef, now);
    expect(asked).toEqual([[anyRef, image.length, sha512(image)]]);
  });

  test('a manifest that turned out wrong can be left out', async () => {
    const seeder = await seederOf(image);
    const [record] = await seeder.catalog.findRecords(anyRef);
    const exceptManifests = new Set<ManifestId>([(record as ImageRecord).manifest]);
    await expect(
      fetchImage(createFetchNode(seeder, [seeder]), anyRef, { ...now, exceptManifests }),
    ).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
    });
  });

  test('a record that does not fit its manifest is passed over', async () => {
    const seeder = await seederOf(image);
    const [record] = await seeder.catalog.findRecords(anyRef);
    const { publisher: _publisher, signature: _signature, ...fields } = record as ImageRecord;
    const wrong = await signImageRecord(
      { ...fields, imageBytes: 5, publishedAtMs: fields.publishedAtMs + 1 },
      seeder.signer,
    );
    await seeder.catalog.putRecord(wrong);
    await expect(fetchImage(createFetchNode(seeder, [seeder]), anyRef, now)).rejects.toMatchObject({
      code: 'IMAGE_UNKNOWN_PARTS',
    });
  });
});

describe('where an image comes from', () => {
  test('the origin alone, when nobody knows it: it is ingested and published for the next node', async () => {
    const origin = originWith(image);
    const first = { ...createFetchNode(stranger, []), origin };
    const { report, record } = await fetchImage(first, anyRef, { ...now, ingestInto: publicDomain });
    expect(report).toMatchObject({
      route: 'ingest',
      wantedBytes: image.length,
      bytesBySource: { origin: image.length },
    });
    expect(record.hash).toEqual(sha512(image));
    const second = createFetchNode(first, [first]);
    expect((await fetchImage(second, anyRef, now)).report.bytesBySource).toEqual({
      local: 0,
      peer: image.length,
      seeder: 0,
      origin: 0,
    });
    expect(origin.sentBytes).toBe(image.length);
    // And the first trusts itself.
    expect((await fetchImage(first, anyRef, now)).report.presentBytes).toBe(image.length);
  });

  test('nowhere, when nobody knows it and the caller does not say whose the image is', async () => {
    const node = { ...createFetchNode(stranger, []), origin: originWith(image) };
    await expect(fetchImage(node, anyRef, now)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    expect(node.origin.sentBytes).toBe(0);
  });

  test('the origin, for what the peers lack: neighbours in one read', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image, { hash: 'sha512' });
    const origin = originWith(image);
    const node = { ...createFetchNode(seeder, [await createKnowingPeer(seeder, manifest)]), origin };
    const { report } = await fetchImage(node, anyRef, now);
    expect(report).toMatchObject({
      route: 'packs',
      bytesBySource: { local: 0, peer: 0, seeder: 0, origin: image.length },
    });
    expect(origin.reads.map(({ length }) => length / 65536)).toEqual([4, 4, 4, 4, 4]);
    expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
  });

  test('the whole stream of an origin without ranges, as the very last resort and only as far as needed', async () => {
    const seeder = createTestNode();
    const long = Buffer.concat([image, Buffer.alloc(65536), noise(8 * 65536, 3), image.subarray(0, 10 * 65536)]);
    const { manifest } = await ingestBytes(seeder, long, { hash: 'sha512' });
    const origin = originWith(long, { hasRanges: false });
    const node = { ...createFetchNode(seeder, [await createKnowingPeer(seeder, manifest)]), origin };
    const { report } = await fetchImage(node, anyRef, now);
    expect(report.bytesBySource.origin).toBe(28 * 65536);
    expect(origin.reads).toEqual([{ offset: 0, length: long.length }]);
    expect((await collect(readImage(node, manifest))).equals(long)).toBe(true);
  });

  test('nowhere, when peers know how it is made but nobody has all of it', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image);
    const node = createFetchNode(seeder, [await createKnowingPeer(seeder, manifest)]);
    await expect(fetchImage(node, anyRef, now)).rejects.toMatchObject({
      code: 'IMAGE_CHUNKS_ABSENT',
      canRetry: true,
      details: { manifest: manifest.id, bytes: image.length },
      cause: { code: 'SWARM_NO_SOURCE' },
    });
    // It is known here now: when a peer has it again, that is enough.
    expect((await fetchImage(connect(node, [seeder], [seeder]), anyRef, now)).report.bytesBySource.peer).toBe(
      image.length,
    );
  });

  test('never an origin whose bytes are not what the manifest says', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image);
    const other = diskImage(20, 2);
    for (const hasRanges of [true, false]) {
      const origin = originWith(other, { hasRanges, hasHashes: false });
      const node = { ...createFetchNode(seeder, [await createKnowingPeer(seeder, manifest)]), origin };
      await expect(fetchImage(node, anyRef, now)).rejects.toMatchObject({ code: 'IMAGE_ORIGIN_DIFFERS' });
      expect(node.store.usage().presentBytes).toBe(0);
    }
  });

  test('the peers, when the origin is down', async () => {
    const seeder = await seederOf(image);
    const node = { ...createFetchNode(seeder, [seeder]), origin: createBrokenOrigin() };
    expect((await fetchImage(node, anyRef, now)).report.bytesBySource.peer).toBe(image.length);
    const alone = { ...createFetchNode(seeder, []), origin: node.origin };
    await expect(fetchImage(alone, anyRef, now)).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      cause: { code: 'ORIGIN_UNAVAILABLE' },
    });
  });

  test('the origin, when no peer knows a pack that the manifest names', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestBytes(seeder, image, { hash: 'sha512' });
    const forgetful = createTestNode();
    await forgetful.catalog.putManifest(manifest);
    for await (const record of seeder.catalog.listRecords()) await forgetful.catalog.putRecord(record);
    const node = createFetchNode(seeder, [forgetful]);
    await expect(fetchImage(node, anyRef, now)).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN_PARTS', canRetry: true });
    const { report } = await fetchImage({ ...node, origin: originWith(image) }, anyRef, {
      ...now,
      ingestInto: publicDomain,
    });
    expect(report.route).toBe('ingest');
  });

  test('peers that appear while it is patient', async () => {
    const seeder = await seederOf(image);
    const peers: TestNode[] = [];
    const node = { ...createFetchNode(seeder, peers), origin: originWith(image) };
    const fetching = fetchImage(node, anyRef, { patienceMs: 5000, ingestInto: publicDomain });
    await node.clock.advance(2000);
    peers.push(seeder);
    await node.clock.advance(1000);
    expect((await fetching).report).toMatchObject({ route: 'packs', bytesBySource: { peer: image.length, origin: 0 } });
  });

  test('nowhere after its patience, or as soon as it is told to stop', async () => {
    const node = createFetchNode(stranger, []);
    const fetching = expect(fetchImage(node, anyRef, { patienceMs: 5000 })).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
    });
    await node.clock.advance(5000);
    await fetching;
    const controller = new AbortController();
    const stopped = expect(fetchImage(node, anyRef, { patienceMs: 5000, signal: controller.signal })).rejects.toBe(
      'stop',
    );
    await node.clock.advance(100);
    controller.abort('stop');
    await stopped;
  });
});

describe('a fetch', () => {
  test('keeps what it needs from eviction while it runs, and nothing afterwards', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(seeder, [seeder]);
    const evictions: number[] = [];
    const onProgress = (): void => void node.store.evict(0).then(({ evictedBytes }) => evictions.push(evictedBytes));
    await fetchImage(node, anyRef, { ...now, onProgress });
    expect(evictions.length).toBeGreaterThan(0);
    expect(evictions.every((bytes) => bytes === 0)).toBe(true);
    expect((await node.store.evict(0)).evictedBytes).toBe(image.length);
  });

  test('tells how far it is, from what was here to all of it', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(seeder, [seeder]);
    await ingestBytes(node, Buffer.concat([image.subarray(0, 10 * 65536), noise(65536, 8)]), { ref: imageRef('half') });
    const seen: FetchImageProgress[] = [];
    await fetchImage(node, anyRef, { ...now, onProgress: (progress) => seen.push(progress) });
    expect(seen[0]).toEqual({ phase: 'fetching', wantedBytes: image.length, presentBytes: 0 });
    expect(seen.at(-1)).toEqual({ phase: 'fetching', wantedBytes: image.length, presentBytes: image.length });
    expect(seen.map(({ presentBytes }) => presentBytes)).toEqual(
      seen.map(({ presentBytes }) => presentBytes).toSorted((a, b) => a - b),
    );
  });
});

describe('the image of a project', () => {
  const red = domain('project:red');

  test('is fetched with the secrets of its packs, which its manifest tells', async () => {
    const seeder = createTestNode();
    const { manifest } = await ingestImage(seeder, { ref: anyRef, domain: red, bytes: streamOf(image) });
    const node = createFetchNode(seeder, [seeder]);
    const fetched = await fetchImage(node, anyRef, now);
    expect(fetched.manifest).toEqual(manifest);
    expect((await collect(readImage(node, fetched.manifest))).equals(image)).toBe(true);
    for (const [pack, secret] of manifest.secrets) expect(node.store.access(pack)).toEqual({ kind: 'secret', secret });
  });

  test('is not made of packs whose locators alone its manifest names, though they are here', async () => {
    const node = createTestNode();
    const { manifest } = await ingestImage(node, { ref: anyRef, domain: red, bytes: streamOf(image) });
    const forger = createTestNode();
    const builder = createManifestBuilder({ domain: red, cutter: manifest.cutter });
    for (let chunk = 0; chunk < 20; chunk += 1) builder.addChunk(manifest.packs[0] as PackId, chunk, 65536);
    const forged = builder.build();
    const { imageBytes, hash, id } = forged;
    const fields = { ref: imageRef('forged'), domain: red, imageBytes, hash, manifest: id, publishedAtMs: 1 };
    await forger.catalog.putManifest(forged);
    await forger.catalog.putRecord(await signImageRecord(fields, forger.signer));
    await expect(fetchImage(connect(node, [forger], [forger]), fields.ref, now)).rejects.toMatchObject({
      code: 'IMAGE_BAD_MANIFEST',
    });
    await expect(collect(readImage(node, forged))).rejects.toMatchObject({ code: 'IMAGE_BAD_MANIFEST' });
  });
});
