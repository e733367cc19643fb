// Private images among nodes that know their keys: found, and had, and from whom.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createPrivateWorld, imageOf, project, publicImageOf, recordOf } from './private-world.ts';
import type { MemberNode, PrivateWorld } from './private-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: PrivateWorld;
afterEach(() => world.close());

const image = imageOf('7d2c4c5e-0000-4000-8000-000000000001');
const large = imageOf('7d2c4c5e-0000-4000-8000-000000000002', { chunks: 3 });

interface Cluster {
  readonly seeder: MemberNode;
  readonly publisher: MemberNode;
  readonly others: readonly MemberNode[];
}

async function clusterOf(count: number, seederOptions = {}): Promise<Cluster> {
  const seeder = await world.add({ options: { role: 'seeder', ...seederOptions } });
  const nodes: MemberNode[] = [];
  for (let i = 0; i <= count; i += 1) nodes.push(await world.add({ bootstrap: [seeder] }));
  await world.clock.advance(4000);
  const [publisher, ...others] = nodes as [MemberNode, ...MemberNode[]];
  return { seeder, publisher, others };
}

describe('a private image', () => {
  test('is found by who knows its key, with the manifest, from who published it', async () => {
    world = createPrivateWorld(1);
    const { publisher, others } = await clusterOf(3);
    const record = await world.publish(publisher, image);
    await world.clock.advance(1000);
    for (const node of others) {
      expect(await world.find(node, image.key)).toEqual([record]);
      expect(await world.manifest(node, image)).toEqual(image.manifest);
    }
  });

  test('is not found without the key, nor with another hash or size', async () => {
    world = createPrivateWorld(2);
    const { publisher, others } = await clusterOf(2);
    await world.publish(publisher, image);
    await world.clock.advance(1000);
    const asker = others[0] as MemberNode;
    const { ref, imageBytes, hash } = image.key;
    expect(await world.until(asker.swarm.findRecords(ref), 20_000)).toEqual([]);
    expect(await world.until(asker.swarm.findRecords(ref, { hash }), 20_000)).toEqual([]);
    expect(await world.find(asker, { ref, imageBytes: imageBytes + 1, hash })).toEqual([]);
    expect(await world.find(asker, { ...image.key, hash: large.key.hash })).toEqual([]);
    expect(await world.until(asker.swarm.listRecords(), 20_000)).toEqual([]);
    expect(await world.manifest(asker, image)).toBeUndefined();
  });

  test('is found in a cluster in which nobody has heard that it is there', async () => {
    world = createPrivateWorld(3, 1); // all gossip is lost
    const { publisher, others } = await clusterOf(4);
    const record = await world.publish(publisher, image);
    await world.clock.advance(1000);
    expect(await world.find(others[0] as MemberNode, image.key)).toEqual([record]);
  });

  test('of a dead publisher is had from a seeder that has it, and from nobody when that is dead, too', async () => {
    world = createPrivateWorld(4);
    const { seeder, publisher, others } = await clusterOf(3);
    const [first, second, third] = others as [MemberNode, MemberNode, MemberNode];
    const record = await world.publish(publisher, image);
    await world.keep(seeder, image, record);
    await world.keep(third, image, record); // a node that is not the publisher vouches for nothing
    await world.clock.advance(1000);
    world.hub.kill(publisher.peer);
    await world.clock.advance(100);
    expect(await world.find(first, image.key)).toEqual([record]);
    expect(await world.manifest(first, image)).toEqual(image.manifest);
    world.hub.kill(seeder.peer);
    await world.clock.advance(100);
    expect(await world.find(second, image.key)).toEqual([]);
    expect(await world.manifest(second, image)).toBeUndefined();
  });

  test('of a publisher that has stalled is had from the seeder within a second or so', async () => {
    world = createPrivateWorld(5);
    const { seeder, publisher, others } = await clusterOf(2);
    const record = await world.publish(publisher, image);
    await world.keep(seeder, image, record);
    await world.clock.advance(1000);
    world.hub.stall(publisher.peer);
    const beganMs = world.clock.now();
    const asker = others[0] as MemberNode;
    expect(await world.find(asker, image.key)).toEqual([record]);
    expect(world.clock.now() - beganMs).toBeLessThan(1500);
  });

  test('is given by a seeder to the first who ask, who then give it to the others', async () => {
    world = createPrivateWorld(6);
    const { seeder, publisher, others } = await clusterOf(4, { blobGives: 1 });
    const record = await world.publish(publisher, image);
    await world.keep(seeder, image, record);
    const [first, second] = others as [MemberNode, MemberNode];
    await world.find(first, image.key);
    expect(await world.manifest(first, image)).toEqual(image.manifest);
    await world.keep(first, image, record);
    // The ticket of either is good at a node that is neither seeder nor publisher but has the record.
    world.hub.kill(publisher.peer);
    await world.clock.advance(100);
    expect(await world.find(second, image.key)).toEqual([record]);
    world.hub.kill(seeder.peer);
    await world.clock.advance(100);
    expect(await world.manifest(second, image)).toEqual(image.manifest);
  });

  test('is asked for once by those who want it at the same moment', async () => {
    world = createPrivateWorld(7);
    let asked = 0;
    const mayIssue = async (): Promise<boolean> => {
      asked += 1;
      return true;
    };
    const publisher = await world.add({ options: { mayIssue } });
    const asker = await world.add({ bootstrap: [publisher] });
    await world.clock.advance(4000);
    const record = await world.publish(publisher, image);
    await world.clock.advance(1000);
    const { ref, ...rest } = image.key;
    const lookups = Array.from({ length: 20 }, () => asker.swarm.findRecords(ref, rest));
    expect(await world.until(Promise.all(lookups), 10_000)).toEqual(Array(20).fill([record]));
    expect(asked).toBe(1);
  });

  test('is refused where the origin says no, or cannot be asked', async () => {
    world = createPrivateWorld(8);
    const answers: (() => Promise<boolean>)[] = [
      async () => false,
      async () => {
        throw new Error('the origin hangs');
      },
      async () => true,
    ];
    const asked: string[] = [];
    const publisher = await world.add({
      options: {
        mayIssue: async (record) => {
          asked.push(record.ref);
          return (answers[asked.length - 1] as () => Promise<boolean>)();
        },
      },
    });
    const asker = await world.add({ bootstrap: [publisher] });
    await world.clock.advance(4000);
    const record = await world.publish(publisher, image);
    await world.clock.advance(1000);
    expect(await world.find(asker, image.key)).toEqual([]);
    expect(await world.find(asker, image.key)).toEqual([]);
    expect(await world.find(asker, image.key)).toEqual([record]);
    expect(asked).toEqual([image.key.ref, image.key.ref, image.key.ref]);
  });

  test('is told of before the manifest is there only when it is', async () => {
    world = createPrivateWorld(9);
    const { publisher, others } = await clusterOf(1);
    await publisher.catalog.putRecord(await recordOf(image, publisher.signer));
    await world.clock.advance(1000);
    expect(await world.find(others[0] as MemberNode, image.key)).toEqual([]);
    await publisher.catalog.putManifest(image.manifest);
    expect(await world.find(others[0] as MemberNode, image.key)).toHaveLength(1);
  });

  test('published before the node started is found as well', async () => {
    world = createPrivateWorld(10);
    const first = await world.add({ seed: 77 });
    const record = await world.publish(first, image);
    const asker = await world.add({ bootstrap: [first] });
    await world.clock.advance(4000);
    // The same catalog under a swarm that begins now, as after a restart.
    await first.swarm.close();
    world.hub.kill(first.peer);
    const again = await world.add({ seed: 77, catalog: first.catalog });
    again.network.dial(asker.peer, []).catch(() => {});
    await world.clock.advance(4000);
    expect(await world.find(asker, image.key)).toEqual([record]);
  });

  test('whose ticket has expired is asked for again', async () => {
    world = createPrivateWorld(11);
    const { publisher, others } = await clusterOf(1);
    const asker = others[0] as MemberNode;
    await world.publish(publisher, image);
    await world.clock.advance(1000);
    await world.find(asker, image.key);
    await world.clock.advance(61_000);
    expect(await world.manifest(asker, image)).toBeUndefined();
    await world.find(asker, image.key);
    expect(await world.manifest(asker, image)).toEqual(image.manifest);
  });
});

describe('a public image', () => {
  test('is found with its key and without, by the same question', async () => {
    world = createPrivateWorld(12);
    const { publisher, others } = await clusterOf(2);
    const open = publicImageOf('debian');
    const record = await world.publish(publisher, open);
    const asker = others[0] as MemberNode;
    expect(await world.until(asker.swarm.findRecords(open.key.ref), 20_000)).toEqual([record]);
    expect(await world.find(asker, open.key)).toEqual([record]);
    expect(await world.manifest(asker, open)).toEqual(open.manifest);
    expect(record.domain).not.toBe(project);
  });
});
