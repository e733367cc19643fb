import { createHash } from 'node:crypto';
import { domain, imageRef, publicDomain, signImageRecord } from '@quarry/content';
import type { ImageHash, ManifestId, Origin, PackStore } from '@quarry/content';
import { createMemoryOrigin } from '@quarry/content/memory';
import { CodedError, errorCode } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openImage } from '../src/index.ts';
import type { OpenedImage, OpenImageOptions, OpenTarget } from '../src/index.ts';
import { anyImage, diskImage } from './support/any-image.ts';
import { connect, createFetchNode } from './support/fetch-node.ts';
import type { FetchNode } from './support/fetch-node.ts';
import { createManualSwarm } from './support/manual-swarm.ts';
import type { ManualSwarm } from './support/manual-swarm.ts';
import { collect } from './support/streams.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';
import type { TestNode } from './support/test-node.ts';
import { createBrokenOrigin, watchOrigin } from './support/watched-origin.ts';
import type { WatchedOrigin } from './support/watched-origin.ts';

const MIB = 1024 * 1024;
const image = diskImage(100, 1); // 25 pieces of 256 KiB
const stranger = createTestNode();
const STALL_MS = 8000;

function targetOf(bytes: Uint8Array): OpenTarget {
  const hash: ImageHash = { algorithm: 'sha512', value: createHash('sha512').update(bytes).digest('hex') };
  return { ref: anyRef, imageBytes: bytes.length, hash, domain: publicDomain };
}

function open(node: FetchNode, target: OpenTarget, options: OpenImageOptions = {}): ReturnType<typeof openImage> {
  return openImage(node, target, { patienceMs: 0, stallMs: STALL_MS, ...options });
}

async function opened(node: FetchNode, target: OpenTarget, options: OpenImageOptions = {}): Promise<OpenedImage> {
  const stream = await open(node, target, options);
  if (!stream) throw new Error('the image is known');
  return stream;
}

const seeders = new Map<Uint8Array, Promise<TestNode>>();

/** One for all tests that only look. */
function seederOf(bytes: Uint8Array): Promise<TestNode> {
  const make = async (): Promise<TestNode> => {
    const seeder = createTestNode();
    await ingestBytes(seeder, bytes, { hash: 'sha512' });
    return seeder;
  };
  const known = seeders.get(bytes) ?? make();
  seeders.set(bytes, known);
  return known;
}

function originWith(bytes: Uint8Array): WatchedOrigin {
  const origin = createMemoryOrigin({});
  origin.put(anyRef, bytes);
  return watchOrigin(origin);
}

/** A node that gets pieces of the seeder's when the test delivers them. */
function manualNode(seeder: TestNode): FetchNode & { readonly swarm: ManualSwarm } {
  const node = createTestNode();
  const swarm = createManualSwarm(node.store, seeder);
  return { ...node, peers: [seeder], trust: { publishers: [seeder.signer.publicKey] }, swarm };
}

/** Lets everything run that waits for nothing but a turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** Nothing is held, waited for or listened to any more. */
async function expectEnded(node: FetchNode & { readonly swarm: ManualSwarm }): Promise<void> {
  await until(() => node.swarm.wanted.length === 0);
  const packs = Array.from(node.store.inventory(), ({ pack }) => pack);
  expect(await node.store.discard(packs)).toMatchObject({ removedPacks: packs, heldPacks: [] });
}

describe('an image that is all here', () => {
  test('comes as it is, in whole and in any part, and says that it was here', async () => {
    const seeder = await seederOf(image);
    const node = connect(seeder, [], []);
    const whole = await opened(node, targetOf(image));
    expect((await collect(whole.bytes)).equals(image)).toBe(true);
    expect(whole.report()).toEqual({ local: image.length, peer: 0, seeder: 0, origin: 0 });
    expect(whole).toMatchObject({ isHashChecked: false, record: { ref: anyRef } });
    for (const [offset, length] of [
      [0, 1],
      [65_535, 2],
      [3 * MIB + 7, 2 * MIB],
      [image.length - 1, 1],
      [5, 0],
    ] as const) {
      const part = await opened(node, targetOf(image), { offset, length });
      expect((await collect(part.bytes)).equals(image.subarray(offset, offset + length))).toBe(true);
    }
  });

  test('comes right when its reader gives every buffer back', async () => {
    const node = connect(await seederOf(image), [], []);
    const stream = await opened(node, targetOf(image));
    const buffers = new Set<ArrayBufferLike>();
    let at = 0;
    for await (const bytes of stream.bytes) {
      expect(Buffer.compare(bytes, image.subarray(at, at + bytes.length))).toBe(0);
      at += bytes.length;
      buffers.add(bytes.buffer);
      stream.recycle(bytes);
      stream.recycle(bytes);
    }
    expect(at).toBe(image.length);
    expect(buffers.size).toBeLessThanOrEqual(6);
  });

  test('is not looked for among peers', async () => {
    const seeder = await seederOf(image);
    const node = {
      ...connect(seeder, [], []),
      swarm: { ...createFetchNode(seeder, []).swarm, findRecords: () => Promise.reject(new Error('asked')) },
    };
    expect((await collect((await opened(node, targetOf(image))).bytes)).equals(image)).toBe(true);
  });

  test.for([
    [0, image.length + 1],
    [-1, 2],
    [0.5, 1],
  ])('has no part from %d of %d bytes', async ([offset = 0, length = 0]) => {
    const node = connect(await seederOf(image), [], []);
    await expect(open(node, targetOf(image), { offset, length })).rejects.toMatchObject({ code: 'IMAGE_BAD_RANGE' });
  });
});

describe('what nobody can say', () => {
  test('is left to the caller: an image that nobody knows, or knows with another hash or size', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(seeder, [seeder]);
    expect(await open(node, { ...targetOf(image), ref: imageRef('other') })).toBeUndefined();
    expect(await open(node, targetOf(diskImage(100, 2)))).toBeUndefined();
    expect(await open(node, targetOf(image.subarray(0, MIB)))).toBeUndefined();
  });

  test('so is one whose manifest was found to be wrong, and one that a peer shows to others than its owner', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(seeder, [seeder]);
    const [record] = await seeder.catalog.findRecords(anyRef);
    const exceptManifests = new Set([record?.manifest as ManifestId]);
    expect(await open(node, targetOf(image), { exceptManifests })).toBeUndefined();
    expect(await open(node, { ...targetOf(image), domain: domain('project:a') })).toBeUndefined();
    expect(await node.catalog.findRecords(anyRef)).toEqual([]);
  });

  test('a part of an image that nobody has vouched for cannot be checked: it is left to the caller too', async () => {
    const node = createFetchNode(stranger, [await seederOf(image)]);
    expect(await open(node, targetOf(image), { offset: 0, length: MIB })).toBeUndefined();
  });
});

describe('an image that is being fetched', () => {
  test('is exactly the image, whatever is here at first and in whatever order the rest comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyImage,
        fc.infiniteStream(fc.nat(1000)),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (bytes, chance, from, share) => {
          const seeder = await seederOf(bytes);
          const node = manualNode(seeder);
          const draw = (): number => chance.next().value as number;
          for await (const { manifest: id } of seeder.catalog.listRecords()) {
            for (const pack of (await seeder.catalog.findManifest(id))?.packs ?? []) {
              const descriptor = await seeder.store.findPack(pack);
              if (!descriptor) throw new Error('it is there');
              await node.store.addPack(descriptor);
              for (let piece = 0; piece < descriptor.pieceCount; piece += 1)
                if (draw() < 400) await node.swarm.deliver(pack, piece);
            }
          }
          const offset = Math.floor(from * bytes.length);
          const whole = draw() < 500;
          const range = whole ? {} : { offset, length: Math.floor(share * (bytes.length - offset)) };
          const reading = opened(node, targetOf(bytes), range).then((stream) => collect(stream.bytes));
          let read: Buffer | undefined;
          reading.then(
            (all) => (read = all),
            () => (read = Buffer.alloc(0)),
          );
          while (!read) {
            await settle();
            const missing = node.swarm.missing();
            const next = missing[draw() % Math.max(1, missing.length)];
            if (next) await node.swarm.deliver(next.pack, next.piece);
          }
          const expected = whole ? bytes : bytes.subarray(range.offset ?? 0, (range.offset ?? 0) + (range.length ?? 0));
          expect((await reading).equals(expected)).toBe(true);
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);

  test('begins when its first bytes are here, and says where its bytes came from', async () => {
    const seeder = await seederOf(image);
    const node = manualNode(seeder);
    const { pack } = await deliverable(seeder);
    const opening = opened(node, targetOf(image));
    await until(() => node.swarm.wanted.length === 1);
    for (let piece = 24; piece >= 1; piece -= 1) await node.swarm.deliver(pack, piece);
    await settle();
    let isOpen = false;
    void opening.then(() => (isOpen = true));
    await settle();
    expect(isOpen).toBe(false);
    await node.swarm.deliver(pack, 0);
    const stream = await opening;
    expect((await collect(stream.bytes)).equals(image)).toBe(true);
    expect(stream.report()).toEqual({ local: 0, peer: image.length, seeder: 0, origin: 0 });
    const [record] = await node.catalog.findRecords(anyRef);
    expect(record).toEqual(stream.record);
  });

  test('asks for what is waited for ahead of the rest', async () => {
    const seeder = await seederOf(image);
    const node = manualNode(seeder);
    const { pack } = await deliverable(seeder);
    const opening = opened(node, targetOf(image));
    await until(() => node.swarm.wanted.length === 1);
    await settle();
    await node.clock.advance(STALL_MS / 2);
    await until(() => node.swarm.wanted.length === 2);
    const [, first] = node.swarm.wanted;
    expect(first?.map((want) => want.pack)).toEqual([pack]);
    for (let piece = 0; piece < 25; piece += 1) await node.swarm.deliver(pack, piece);
    expect((await collect((await opening).bytes)).equals(image)).toBe(true);
  });

  test('is fetched once for two readers', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(seeder, [seeder]);
    const both = await Promise.all([1, 2].map(async () => collect((await opened(node, targetOf(image))).bytes)));
    expect(both.every((bytes) => bytes.equals(image))).toBe(true);
  });

  test('goes on from the origin when its peer goes in the middle', async () => {
    const seeder = await seederOf(image);
    const node = manualNode(seeder);
    const { pack } = await deliverable(seeder);
    const origin = originWith(image);
    const described = await origin.describe(anyRef);
    const opening = opened(node, targetOf(image), { origin, described });
    await until(() => node.swarm.wanted.length === 1);
    for (let piece = 0; piece < 10; piece += 1) await node.swarm.deliver(pack, piece);
    const stream = await opening;
    node.swarm.fail(new CodedError('SWARM_CLOSED', 'the peer is gone'));
    expect((await collect(stream.bytes)).equals(image)).toBe(true);
    const { peer, origin: fromOrigin } = stream.report();
    expect(peer).toBe(10 * 4 * 65_536);
    expect(peer + fromOrigin).toBeGreaterThanOrEqual(image.length);
    expect(fromOrigin).toBeLessThan(image.length - peer + MIB);
    expect(node.store.usage().presentBytes).toBe(image.length);
  });

  test('and from nowhere when there is no origin: then it breaks off', async () => {
    const seeder = await seederOf(image);
    const node = manualNode(seeder);
    const { pack } = await deliverable(seeder);
    const opening = opened(node, targetOf(image));
    await until(() => node.swarm.wanted.length === 1);
    for (let piece = 0; piece < 10; piece += 1) await node.swarm.deliver(pack, piece);
    const stream = await opening;
    node.swarm.fail(new CodedError('SWARM_NO_SOURCE', 'nobody has it'));
    await expect(collect(stream.bytes)).rejects.toMatchObject({ code: 'IMAGE_CHUNKS_ABSENT' });
    await expectEnded(node);
  });
});

/** The one pack of the image. */
async function deliverable(seeder: TestNode): Promise<{ readonly pack: Parameters<PackStore['present']>[0] }> {
  const [entry] = [...seeder.store.inventory()];
  if (!entry) throw new Error('the image has a pack');
  return entry;
}

describe('bytes that do not come', () => {
  async function begun(options: OpenImageOptions = {}) {
    const seeder = await seederOf(image);
    const node = manualNode(seeder);
    const { pack } = await deliverable(seeder);
    const opening = opened(node, targetOf(image), options);
    await until(() => node.swarm.wanted.length === 1);
    for (let piece = 0; piece < 10; piece += 1) await node.swarm.deliver(pack, piece);
    const stream = await opening;
    const read: Buffer[] = [];
    let error: unknown;
    const reading = (async () => {
      for await (const bytes of stream.bytes) read.push(Buffer.from(bytes));
    })().catch((reason: unknown) => (error = reason));
    await settle();
    return { node, pack, stream, reading, bytes: () => Buffer.concat(read), error: () => error };
  }

  test('are read from the origin when they have stayed away too long, and the next ones sooner', async () => {
    const origin = originWith(image);
    const described = await origin.describe(anyRef);
    const { node, reading, bytes } = await begun({ origin, described });
    const before = bytes().length;
    expect(origin.sentBytes).toBe(0);
    await node.clock.advance(STALL_MS - 1);
    await settle();
    expect(bytes().length).toBe(before);
    await node.clock.advance(1);
    await until(() => bytes().length > before);
    expect(origin.reads).toEqual([{ offset: before, length: MIB }]);
    await node.clock.advance(STALL_MS / 2);
    await until(() => bytes().length > before + MIB);
    for (let turn = 0; turn < 20 && bytes().length < image.length; turn += 1) {
      await node.clock.advance(STALL_MS / 4);
      await settle();
    }
    await reading;
    expect(bytes().equals(image)).toBe(true);
  });

  test('end the stream when there is no origin, after twice the time that they may stay away', async () => {
    const { node, reading, error, bytes } = await begun();
    await node.clock.advance(2 * STALL_MS - 1);
    await settle();
    expect(error()).toBeUndefined();
    await node.clock.advance(1);
    await reading;
    expect(error()).toMatchObject({ code: 'IMAGE_STALLED', details: { offset: bytes().length, stallMs: STALL_MS } });
    await expectEnded(node);
  });

  test('end the stream when the origin fails, hangs or has other bytes', async () => {
    const described = await originWith(image).describe(anyRef);
    const other = originWith(diskImage(100, 2));
    const hanging: WatchedOrigin = {
      ...originWith(image),
      open: (_, { signal } = {}) => ({
        [Symbol.asyncIterator]: () => ({
          next: () =>
            new Promise((_, reject) => {
              signal?.addEventListener('abort', () => reject(signal.reason as Error));
            }),
        }),
      }),
    };
    const otherImage = await other.describe(anyRef);
    const lying: Origin = { ...other, open: (_, options) => other.open(otherImage, options) };
    for (const [origin, code] of [
      [createBrokenOrigin(), 'ORIGIN_UNAVAILABLE'],
      [lying, 'IMAGE_ORIGIN_DIFFERS'],
      [hanging, undefined],
    ] as const) {
      const { node, reading, error } = await begun({ origin, described });
      await node.clock.advance(STALL_MS);
      await settle();
      await node.clock.advance(STALL_MS);
      await reading;
      expect(error()).toMatchObject({ code: 'IMAGE_STALLED' });
      expect(errorCode((error() as Error).cause)).toBe(code);
      await expectEnded(node);
    }
  });

  test('are waited for before the first of them is here as long as others come', async () => {
    const seeder = await seederOf(image);
    const node = manualNode(seeder);
    const { pack } = await deliverable(seeder);
    const opening = opened(node, targetOf(image));
    await until(() => node.swarm.wanted.length === 1);
    for (let piece = 24; piece >= 0; piece -= 1) {
      await settle();
      await node.clock.advance(STALL_MS / 2);
      await node.swarm.deliver(pack, piece);
    }
    expect((await collect((await opening).bytes)).equals(image)).toBe(true);
  });

  test('refuse the image where not even the first come, so that the caller can take it from elsewhere', async () => {
    const node = manualNode(await seederOf(image));
    const opening = open(node, targetOf(image));
    const refused = expect(opening).rejects.toMatchObject({ code: 'IMAGE_STALLED', details: { offset: 0 } });
    await until(() => node.swarm.wanted.length === 1);
    await settle();
    await node.clock.advance(STALL_MS);
    await refused;
    await expectEnded(node);
  });
});

describe('a reader who leaves', () => {
  test.for(['by returning', 'by the signal', 'by the signal before the first bytes'])(
    '%s ends the fetch and lets go of the packs',
    async (how) => {
      const seeder = await seederOf(image);
      const node = manualNode(seeder);
      const { pack } = await deliverable(seeder);
      const controller = new AbortController();
      const opening = opened(node, targetOf(image), { signal: controller.signal });
      await until(() => node.swarm.wanted.length === 1);
      if (how === 'by the signal before the first bytes') {
        controller.abort(new Error('gone'));
        await expect(opening).rejects.toThrow('gone');
      } else {
        for (let piece = 0; piece < 10; piece += 1) await node.swarm.deliver(pack, piece);
        const stream = await opening;
        await stream.bytes.next();
        expect(await node.store.evict(0)).toMatchObject({ evictedPacks: 0 });
        if (how === 'by returning') await stream.bytes.return();
        else {
          const rest = collect(stream.bytes);
          await settle();
          controller.abort(new Error('gone'));
          await expect(rest).rejects.toThrow('gone');
        }
      }
      await expectEnded(node);
    },
  );
});

describe('an image of a publisher who is not trusted', () => {
  test('is held against its hash on the way, and not again afterwards', async () => {
    const seeder = await seederOf(image);
    const node = createFetchNode(stranger, [seeder]);
    const first = await opened(node, targetOf(image));
    expect(first.isHashChecked).toBe(true);
    expect((await collect(first.bytes)).equals(image)).toBe(true);
    const second = await opened(node, targetOf(image), { offset: 5, length: 10 });
    expect(second.isHashChecked).toBe(false);
    expect((await collect(second.bytes)).equals(image.subarray(5, 15))).toBe(true);
  });

  test('does not come to its end if it has another hash, and is not used again', async () => {
    const seeder = await seederOf(diskImage(100, 2));
    const { hash, imageBytes } = targetOf(image);
    const [honest] = await seeder.catalog.findRecords(anyRef);
    if (!honest) throw new Error('there is one');
    // The same manifest under the name of the other image: what a liar would sign.
    const manifest = await seeder.catalog.findManifest(honest.manifest);
    const liar = createTestNode();
    const { signature: _, publisher: __, ...fields } = honest;
    const lie = await signImageRecord({ ...fields, hash }, liar.signer);
    const catalog = {
      ...seeder.catalog,
      findRecords: async () => [lie],
      findManifest: async () => manifest && { ...manifest, hash: undefined },
    };
    const wrongManifests = new Set<ManifestId>();
    const node = { ...createFetchNode(stranger, [{ store: seeder.store, catalog }]), wrongManifests };
    const stream = await opened(node, { ...targetOf(image), hash, imageBytes });
    const read: number[] = [];
    const reading = (async () => {
      for await (const bytes of stream.bytes) read.push(bytes.length);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'IMAGE_HASH_MISMATCH', details: { manifest: manifest?.id } });
    expect(read.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(image.length - 65_536);
    expect(await node.catalog.findRecords(anyRef)).toEqual([]);
    expect(await open(node, { ...targetOf(image), hash, imageBytes })).toBeUndefined();
  });

  test('keeps even its only bytes to itself until the hash is right', async () => {
    const small = diskImage(2, 3);
    const node = createFetchNode(stranger, [await seederOf(small)]);
    expect((await collect((await opened(node, targetOf(small))).bytes)).equals(small)).toBe(true);
    const empty = Buffer.alloc(0);
    const other = createFetchNode(stranger, [await seederOf(empty)]);
    expect((await collect((await opened(other, targetOf(empty))).bytes)).length).toBe(0);
  });
});
