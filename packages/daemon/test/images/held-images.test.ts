// What a node keeps for others: within its bounds, under its own name, and never more than it was asked for.
import {
  createManifestBuilder,
  createPackDescriptor,
  digestOf,
  domain,
  fixed64k,
  imageRef,
  publicDomain,
  signImageRecord,
} from '@quarry/content';
import type { FetchReport, ImageRecord, Manifest, PackDescriptor, Swarm } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import { createSeededRandom, createVirtualClock, silentLogger } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { createHeldImages } from '../../src/images/held-images.ts';
import { createSigner } from '../support/signer.ts';

const CHUNK = 64 * 1024;

interface Sample {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  readonly descriptor: PackDescriptor;
}

async function sample(name: string, chunks: number): Promise<Sample> {
  const maker = createSigner();
  const digests = Buffer.concat(Array.from({ length: chunks }, (_, i) => digestOf(Buffer.from(`${name} ${i}`))));
  const lengths = Array.from({ length: chunks }, () => CHUNK);
  const descriptor = createPackDescriptor({ domain: publicDomain, digests, lengths });
  const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
  for (let chunk = 0; chunk < chunks; chunk += 1) builder.addChunk(descriptor.id, chunk, CHUNK);
  const hash = { algorithm: 'sha256' as const, value: Buffer.from(digestOf(Buffer.from(name))).toString('hex') };
  const manifest = builder.build({ hash });
  const { imageBytes, id } = manifest;
  const fields = { ref: imageRef(name), domain: publicDomain, imageBytes, hash, manifest: id, publishedAtMs: 0 };
  return { record: await signImageRecord(fields, maker), manifest, descriptor };
}

/** A node whose swarm knows these descriptors, and whose fetches end as the test says. */
function node(known: readonly PackDescriptor[], maxBytes: number, fetch: Swarm['fetch'] = () => new Promise(() => {})) {
  const store = createMemoryPackStore();
  const catalog = createMemoryImageCatalog();
  const signer = createSigner();
  const swarm: Swarm = {
    findRecords: async () => [],
    findManifest: async () => undefined,
    findDescriptor: async (id) => known.find((descriptor) => descriptor.id === id),
    fetch,
  };
  const deps = { store, catalog, signer, swarm, trust: { publishers: [] }, encoding: 'off' as const };
  const held = createHeldImages(
    {
      ...deps,
      clock: createVirtualClock(),
      random: createSeededRandom(1),
      logger: silentLogger,
      stayWithinBudget: async () => {},
    },
    { maxBytes },
  );
  return { held, catalog, store, signer };
}

test('parts are kept under this node’s own name, and no chunk is fetched for them', async () => {
  const image = await sample('one', 3);
  const { held, catalog, store, signer } = node([image.descriptor], 0, () => expect.fail('nothing is to be fetched'));
  expect(await held.hold({ ...image, withChunks: false, from: 'maker' })).toEqual({ kind: 'accepted' });
  const [record] = await catalog.findRecords(image.record.ref);
  expect(record).toMatchObject({ manifest: image.manifest.id, domain: domain('public') });
  expect(Buffer.compare(record?.publisher ?? Buffer.of(), signer.publicKey)).toBe(0);
  expect(await catalog.findManifest(image.manifest.id)).toBeDefined();
  expect(await store.findPack(image.descriptor.id)).toBeDefined();
  expect(held.state(image.manifest.id)).toBeUndefined();
});

test('parts that nobody can give are refused with the reason, and nothing is published', async () => {
  const image = await sample('one', 3);
  const { held, catalog } = node([], 0);
  expect(await held.hold({ ...image, withChunks: false, from: 'maker' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining(image.descriptor.id) as string,
  });
  expect(await catalog.findRecords(image.record.ref)).toEqual([]);
});

test('what does not fit its bound is refused, and fits again when what was there is forgotten', async () => {
  const [one, two] = [await sample('one', 3), await sample('two', 2)];
  const { held } = node([one.descriptor, two.descriptor], 4 * CHUNK);
  expect(await held.hold({ ...one, withChunks: true, from: 'maker' })).toEqual({ kind: 'accepted' });
  expect(held.state(one.manifest.id)).toEqual({ kind: 'fetching', wantedBytes: 3 * CHUNK, presentBytes: 0 });
  expect(await held.hold({ ...two, withChunks: true, from: 'maker' })).toMatchObject({ kind: 'refused' });
  held.forget(one.manifest.id);
  expect(await held.hold({ ...two, withChunks: true, from: 'maker' })).toEqual({ kind: 'accepted' });
});

test('a fetch that failed takes no room, is said to have failed, and may be asked for again', async () => {
  const image = await sample('one', 3);
  let failures = 0;
  const { held } = node([image.descriptor], 3 * CHUNK, async (): Promise<FetchReport> => {
    failures += 1;
    throw new Error('nobody has it');
  });
  const ask = () => held.hold({ ...image, withChunks: true, from: 'maker' });
  for (let time = 1; time <= 2; time += 1) {
    expect(await ask()).toEqual({ kind: 'accepted' });
    while (held.state(image.manifest.id)?.kind !== 'failed') await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toBe(time);
  }
});
