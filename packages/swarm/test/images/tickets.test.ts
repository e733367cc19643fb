// Private images among nodes that know their keys: found, and had, and from whom.
import { imageLocator, signTicket } from '@quarry/content';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import { decodeTicketAnswer, encodeTicketAnswer } from '../../src/protocol/get-ticket.ts';
import { encodeImagesMessage } from '../../src/protocol/images-message.ts';
import { protocols, topics } from '../../src/protocol/protocol-names.ts';
import { createPrivateWorld, imageOf, project, publicImageOf, recordOf } from './private-world.ts';
import type { MemberNode, PrivateWorld } from './private-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: PrivateWorld;
afterEach(() => world.close());

const image = imageOf('7d2c4c5e-0000-4000-8000-000000000001');
const large = imageOf('7d2c4c5e-0000-4000-8000-000000000002', { chunks: 3 });

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

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

  test('is announced to who comes later, from whomever it hears of it', async () => {
    world = createPrivateWorld(17);
    const publisher = await world.add();
    await world.publish(publisher, image);
    await world.clock.advance(10_000); // to nobody
    const second = await world.add({ bootstrap: [publisher] });
    await world.clock.advance(3000);
    expect(second.swarm.figures().images.here).toBe(1);
    for (const met of [publisher, second]) {
      const newcomer = await world.add({ bootstrap: [met], options: { images: { newcomerAsks: 1 } } });
      await world.clock.advance(500);
      expect(newcomer.swarm.figures().images.here).toBe(1);
    }
    // And who was alone tells those who are there when they meet.
    const lonely = await world.add();
    await world.publish(lonely, large);
    await world.clock.advance(10_000);
    await world.until(lonely.network.dial(second.peer, []), 1000);
    await world.clock.advance(3000);
    expect(publisher.swarm.figures().images.here).toBe(2);
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

  test('is given by a seeder to the first who asks, who then gives it to the others', async () => {
    world = createPrivateWorld(6);
    const { seeder, publisher, others } = await clusterOf(4, { blobGives: 1 });
    const wide = imageOf('wide', { packs: 700 }); // a manifest of 22 KB: worth naming others for
    const record = await world.publish(publisher, wide);
    await world.keep(seeder, wide, record);
    await world.clock.advance(1000);
    world.hub.kill(publisher.peer);
    await world.clock.advance(100);
    const given: number[] = [];
    for (const node of others) {
      const before = seeder.network.up.passedBytes;
      expect(await world.find(node, wide.key)).toEqual([record]);
      expect(await world.manifest(node, wide)).toEqual(wide.manifest);
      given.push(seeder.network.up.passedBytes - before);
      await world.keep(node, wide, record);
    }
    expect(given[0]).toBeGreaterThan(20_000);
    for (const bytes of given.slice(1)) expect(bytes).toBeLessThan(10_000);
  });

  test('has a manifest whose id is told to nobody who does not know it', async () => {
    world = createPrivateWorld(14);
    const { seeder, publisher, others } = await clusterOf(4);
    await world.publish(publisher, image);
    await world.clock.advance(1000);
    const [asker] = others as [MemberNode];
    const told = new Set<PeerId>();
    const request = asker.network.request.bind(asker.network);
    asker.network.request = (peer, protocol, bytes, options) => {
      if (Buffer.from(bytes).includes(Buffer.from(image.manifest.id, 'hex'))) told.add(peer);
      return request(peer, protocol, bytes, options);
    };
    await world.find(asker, image.key);
    expect(await world.manifest(asker, image)).toEqual(image.manifest);
    expect([...told]).toEqual([publisher.peer]);
    // Neither when the ticket has ended, nor when the publisher is dead, nor by a node that has the record and lost the manifest.
    told.clear();
    await world.find(asker, image.key);
    world.hub.kill(publisher.peer);
    expect(await world.manifest(asker, image)).toBeUndefined();
    await world.clock.advance(120_000);
    expect(await world.manifest(asker, image)).toBeUndefined();
    await asker.catalog.putRecord(await recordOf(image, publisher.signer, 5000));
    expect(await world.manifest(asker, image)).toBeUndefined();
    expect([...told].filter((peer) => peer !== publisher.peer)).toEqual([]);
    expect(seeder.swarm.status().banned).toEqual([]);
  });

  test('is not had from a liar, who is banned', async () => {
    world = createPrivateWorld(15);
    const keeper = await world.add();
    const record = await world.publish(keeper, image);
    const lies: ((bytes: Uint8Array) => Uint8Array)[] = [
      (bytes) => flipped(bytes, bytes.length - 1), // not signed any more
      (bytes) => flipped(bytes, 40), // a record of something else
      (bytes) => bytes.subarray(0, bytes.length - 3),
    ];
    const ticket = await signTicket(
      { manifest: record.manifest, bearer: keeper.peer, expiresAtMs: world.clock.wallMs() + 60_000 },
      keeper.signer,
    );
    lies.push(() => encodeTicketAnswer({ record, ticket })); // a good ticket, for somebody else
    lies.push((answer) => {
      const given = decodeTicketAnswer(answer);
      if (!given) throw new TypeError('the liar has the image');
      return encodeTicketAnswer({ ...given, record: { ...given.record, publishedAtMs: 9e12 } }); // the latest of all records
    });
    for (const lie of lies) {
      const tamper = (protocol: string, answer: Uint8Array): Uint8Array =>
        protocol === protocols.ticket ? lie(answer) : answer;
      const liar = await world.add({ link: { tamper } });
      const asker = await world.add({ bootstrap: [liar] });
      await world.publish(liar, image);
      await world.clock.advance(3000);
      expect(await world.find(asker, image.key)).toEqual([]);
      expect(asker.swarm.status().banned).toMatchObject([{ peer: liar.peer }]);
    }
  });

  test('is found although others say that they have it and do not', async () => {
    world = createPrivateWorld(16);
    const { publisher, others } = await clusterOf(12);
    const record = await world.publish(publisher, image);
    await world.clock.advance(1000);
    const [asker, ...liars] = others as [MemberNode, ...MemberNode[]];
    const news = encodeImagesMessage([{ kind: 'here', locator: imageLocator(image.key), ttlMs: 600_000 }]);
    for (const liar of liars.slice(0, 6)) await liar.network.publish(topics.images, news);
    for (const liar of liars.slice(0, 2)) world.hub.stall(liar.peer);
    await world.clock.advance(1000);
    expect(await world.find(asker, image.key)).toEqual([record]);
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
    expect(asker.swarm.figures().images.here).toBe(1);
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
