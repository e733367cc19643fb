import { createManifestBuilder, fixed64k, imageRef, publicDomain, signImageRecord } from '@quarry/content';
import type { ImageRecord, Manifest, Signer } from '@quarry/content';
import { generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { contentOf, createMemoryWorld, makePack, wantAll } from './memory-world.ts';
import type { MemoryWorld, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const pack = makePack(1024, 1);

function makeSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)),
    sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}

function makeManifest(): Manifest {
  const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
  builder.addZeros(65536);
  return builder.build();
}

const signer = makeSigner();
const recordOf = (ref: string, manifest: Manifest, publishedAtMs: number): Promise<ImageRecord> =>
  signImageRecord(
    {
      ref: imageRef(ref),
      domain: publicDomain,
      imageBytes: manifest.imageBytes,
      hash: undefined,
      manifest: manifest.id,
      publishedAtMs,
    },
    signer,
  );

const manifest = makeManifest();

async function clusterOf(count: number, withSeeder = true): Promise<{ seeder: TestNode; nodes: TestNode[] }> {
  world = createMemoryWorld(21);
  const seeder = await world.add('seeder', { options: { role: withSeeder ? 'seeder' : 'node' }, holds: [pack] });
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) nodes.push(await world.add(`node-${i}`, { bootstrap: [seeder] }));
  await world.clock.advance(3000);
  return { seeder, nodes };
}

describe('finding what is not here', () => {
  test('records come from the seeder, the latest of each publisher, and lists page by page', async () => {
    const { seeder, nodes } = await clusterOf(2);
    const asker = nodes[0] as TestNode;
    await seeder.catalog.putRecord(await recordOf('debian', manifest, 5));
    for (let i = 0; i < 300; i += 1) await seeder.catalog.putRecord(await recordOf(`image-${i}`, manifest, i));
    const found = await world.until(asker.swarm.findRecords(imageRef('debian')), 1000);
    expect(found.map(({ ref, publishedAtMs }) => [ref, publishedAtMs])).toEqual([['debian', 5]]);
    expect(await world.until(asker.swarm.findRecords(imageRef('nothing')), 1000)).toEqual([]);
    const listed = await world.until(asker.swarm.listRecords(), 2000);
    expect(new Set(listed.map(({ ref }) => ref)).size).toBe(301);
    expect(listed[0]?.publishedAtMs).toBe(299);
  });

  test('without a seeder any node that knows is found', async () => {
    const { nodes } = await clusterOf(4, false);
    const [asker, knower] = nodes as [TestNode, TestNode];
    await knower.catalog.putRecord(await recordOf('debian', manifest, 5));
    await knower.catalog.putManifest(manifest);
    expect(await world.until(asker.swarm.findRecords(imageRef('debian')), 1000)).toHaveLength(1);
    expect(await world.until(asker.swarm.findManifest(manifest.id), 1000)).toEqual(manifest);
    const unknown = makePack(4, 77).descriptor;
    expect(await world.until(asker.swarm.findDescriptor(unknown.id), 2000)).toBeUndefined();
  });

  test('who answers with a record that its publisher did not sign is banned', async () => {
    world = createMemoryWorld(22);
    const record = await recordOf('debian', manifest, 5);
    const forge = (protocol: string, answer: Uint8Array): Uint8Array => {
      if (protocol !== '/quarry/records/find/1' || answer.length < 64) return answer;
      const forged = answer.slice();
      forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
      return forged;
    };
    const liar = await world.add('liar', { link: { tamper: forge } });
    const asker = await world.add('asker', { bootstrap: [liar] });
    await liar.catalog.putRecord(record);
    await world.clock.advance(2000);
    expect(await world.until(asker.swarm.findRecords(imageRef('debian')), 1000)).toEqual([]);
    expect(asker.swarm.status().banned).toMatchObject([{ peer: 'liar' }]);
  });

  test('many who ask for a descriptor at once get it from each other after the first two', async () => {
    const { seeder, nodes } = await clusterOf(12);
    const before = seeder.network.up.passedBytes;
    // A fetch asks for the descriptor by itself when the store has none, and keeps it.
    await world.until(Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([pack])))), 60_000);
    const descriptorBytes = 1024 * 32;
    const overheadBytes = seeder.network.up.passedBytes - before - pack.bytes.length;
    expect(overheadBytes).toBeLessThan(4 * descriptorBytes);
    for (const node of nodes) expect(Buffer.compare(await contentOf(node.store, pack), pack.bytes)).toBe(0);
  });

  test('a call before start or after close is refused', async () => {
    const { nodes } = await clusterOf(1);
    const node = nodes[0] as TestNode;
    await node.swarm.close();
    await expect(node.swarm.findRecords(imageRef('debian'))).rejects.toMatchObject({ code: 'SWARM_CLOSED' });
    await expect(node.swarm.fetch(wantAll([pack]))).rejects.toMatchObject({ code: 'SWARM_CLOSED' });
    await node.swarm.close(); // closing twice is closing once
  });

  test('closing ends a fetch that is under way', async () => {
    const { nodes } = await clusterOf(1);
    const node = nodes[0] as TestNode;
    const refused = expect(node.swarm.fetch(wantAll([pack]))).rejects.toMatchObject({ code: 'SWARM_CLOSED' });
    await world.clock.advance(100);
    await node.swarm.close();
    await refused;
  });
});
