// Images that are gone: everybody hears of it, and only who knows an image's key can say so.
import {
  digestOf,
  imageKeyOf,
  imageLocator,
  imageLocatorFrom,
  imageSecret,
  makeGoneVoucher,
  makeImageProof,
} from '@quarry/content';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { decodeTicketAnswer, encodeGetTicket } from '../../src/protocol/get-ticket.ts';
import { encodeImagesMessage } from '../../src/protocol/images-message.ts';
import type { ImageNews } from '../../src/protocol/images-message.ts';
import { protocolLimits } from '../../src/protocol/protocol-limits.ts';
import { protocols, topics } from '../../src/protocol/protocol-names.ts';
import { createPrivateWorld, imageOf, publicImageOf, recordOf } from './private-world.ts';
import type { MemberNode, PrivateWorld } from './private-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: PrivateWorld;
afterEach(() => world.close());

const image = imageOf('9d2c4c5e-0000-4000-8000-000000000001');

async function clusterOf(seed: number, count: number): Promise<[MemberNode, ...MemberNode[]]> {
  world = createPrivateWorld(seed);
  const first = await world.add();
  const nodes: MemberNode[] = [];
  for (let i = 1; i < count; i += 1) nodes.push(await world.add({ bootstrap: [first] }));
  await world.clock.advance(4000);
  return [first, ...nodes];
}

/** Says anything in the name of the node, as one whose software was changed may. */
async function say(node: MemberNode, news: readonly ImageNews[]): Promise<void> {
  await node.network.publish(topics.images, encodeImagesMessage(news));
  await world.clock.advance(500);
}

describe('an image that was withdrawn', () => {
  test('is gone wherever it is known, and nobody gives a ticket for it any more', async () => {
    const [publisher, holder, asker, other] = (await clusterOf(50, 6)) as MemberNode[] as [
      MemberNode,
      MemberNode,
      MemberNode,
      MemberNode,
    ];
    const record = await world.publish(publisher, image);
    await world.keep(holder, image, record);
    await world.clock.advance(1000);
    expect(await world.find(asker, image.key)).toEqual([record]);
    await world.until(other.swarm.withdraw(image.key), 1000); // any node that knows the key: the one where it was deleted
    await world.clock.advance(500);
    expect(publisher.withdrawn).toEqual([image.key]);
    expect(holder.withdrawn).toEqual([image.key]);
    expect([asker.withdrawn, other.withdrawn]).toEqual([[], []]);
    // Though the publisher still has it, and the asker a ticket.
    expect(await world.find(asker, image.key)).toEqual([]);
    expect(await world.manifest(asker, image)).toBeUndefined();
    const proof = makeImageProof(imageSecret(image.key), asker.peer, publisher.peer);
    const answer = await world.until(
      asker.network.request(
        publisher.peer,
        protocols.ticket,
        encodeGetTicket({ locator: imageLocator(image.key), proof }),
        { maxBytes: 4096 },
      ),
      1000,
    );
    expect(decodeTicketAnswer(answer)).toBeUndefined();
  });

  test('where it was withdrawn, is gone there, too; once', async () => {
    const [publisher, other] = (await clusterOf(51, 3)) as MemberNode[] as [MemberNode, MemberNode];
    await world.publish(publisher, image);
    await world.until(publisher.swarm.withdraw(image.key), 1000);
    await world.until(publisher.swarm.withdraw(image.key), 1000);
    await world.until(other.swarm.withdraw(image.key), 1000);
    await world.clock.advance(500);
    expect(publisher.withdrawn).toEqual([image.key]);
  });

  test('is refused when it comes later, also by who has joined since', async () => {
    const [publisher, second] = (await clusterOf(52, 3)) as MemberNode[] as [MemberNode, MemberNode];
    const record = await recordOf(image, publisher.signer);
    await world.until(publisher.swarm.withdraw(image.key), 1000);
    await world.clock.advance(3_600_000);
    const newcomer = await world.add({ bootstrap: [second] });
    await world.clock.advance(4000);
    for (const node of [second, newcomer]) {
      expect(node.withdrawn).toEqual([]);
      await world.keep(node, image, record);
      expect(node.withdrawn).toEqual([image.key]);
    }
    expect(await world.find(newcomer, image.key)).toEqual([]);
  });

  test('is told to a newcomer however many there are', async () => {
    const [publisher, second] = (await clusterOf(53, 2)) as MemberNode[] as [MemberNode, MemberNode];
    const many = 2 * protocolLimits.maxImagesNews + 7;
    const images = Array.from({ length: many }, (_, i) => imageOf(`image-${i}`));
    for (const { key } of images) await publisher.swarm.withdraw(key);
    await world.clock.advance(1000);
    const newcomer = await world.add({ bootstrap: [second] });
    await world.clock.advance(4000);
    for (const one of images) await world.keep(newcomer, one, await recordOf(one, publisher.signer));
    expect(newcomer.withdrawn).toHaveLength(many);
  });

  test('is said again by who was restarted and has forgotten, and after a day by nobody', async () => {
    const [publisher, second] = (await clusterOf(54, 3)) as MemberNode[] as [MemberNode, MemberNode];
    const record = await recordOf(image, second.signer);
    await world.until(publisher.swarm.withdraw(image.key), 1000);
    await world.clock.advance(1000);
    world.hub.kill(publisher.peer);
    const again = await world.add({ seed: 54 * 1000 + 1, bootstrap: [second] });
    expect(again.peer).toBe(publisher.peer);
    await world.clock.advance(4000);
    await world.keep(again, image, record);
    expect(again.withdrawn).toEqual([image.key]);
    for (let hour = 0; hour < 25; hour += 1) await world.clock.advance(3_600_000);
    await world.keep(second, image, record);
    expect(second.withdrawn).toEqual([]);
  });

  test('of the public domain goes, too', async () => {
    const [publisher, holder, asker] = (await clusterOf(55, 3)) as MemberNode[] as [MemberNode, MemberNode, MemberNode];
    const open = publicImageOf('debian');
    const record = await world.publish(publisher, open);
    await world.keep(holder, open, record);
    expect(await world.until(asker.swarm.findRecords(open.key.ref), 10_000)).toEqual([record]);
    await world.until(holder.swarm.withdraw(open.key), 1000);
    await world.clock.advance(500);
    expect(publisher.withdrawn).toEqual([open.key]);
    expect(await world.until(asker.swarm.findRecords(open.key.ref), 10_000)).toEqual([]);
    expect(await world.until(asker.swarm.listRecords(), 10_000)).toEqual([]);
    expect(await world.find(asker, open.key)).toEqual([]);
  });

  test('says nothing of another image under the same reference', async () => {
    const [publisher, asker] = (await clusterOf(56, 3)) as MemberNode[] as [MemberNode, MemberNode];
    await world.until(publisher.swarm.withdraw(image.key), 1000);
    const next = imageOf(image.key.ref, { version: 2 });
    const record = await world.publish(publisher, next);
    await world.clock.advance(1000);
    expect(publisher.withdrawn).toEqual([]);
    expect(await world.find(asker, next.key)).toEqual([record]);
    expect(imageKeyOf(record)).toEqual(next.key);
  });
});

describe('a forged word that an image is gone', () => {
  const secret = imageSecret(image.key);
  const locator = imageLocator(image.key);

  test('changes nothing where the image is, nor where it comes later', async () => {
    const [publisher, liar, holder, asker] = (await clusterOf(57, 5)) as MemberNode[] as [
      MemberNode,
      MemberNode,
      MemberNode,
      MemberNode,
    ];
    const record = await world.publish(publisher, image);
    await world.clock.advance(1000);
    const vouchers = [
      new Uint8Array(32),
      makeGoneVoucher(secret, publisher.peer), // somebody else's, said again
      makeImageProof(secret, liar.peer, liar.peer),
      makeGoneVoucher(imageSecret(imageOf('other').key), liar.peer),
    ];
    for (const voucher of vouchers) await say(liar, [{ kind: 'gone', locator, voucher }]);
    expect(publisher.withdrawn).toEqual([]);
    await world.keep(holder, image, record);
    expect(holder.withdrawn).toEqual([]);
    expect(await world.find(asker, image.key)).toEqual([record]);
  });

  test('does not drive out a true one, however many there are', async () => {
    const [owner, liar, holder] = (await clusterOf(58, 3)) as MemberNode[] as [MemberNode, MemberNode, MemberNode];
    await world.until(owner.swarm.withdraw(image.key), 1000);
    await world.clock.advance(500);
    // 70,000 lies: more than a node remembers.
    for (let from = 0; from < 70_000; from += protocolLimits.maxImagesNews) {
      const lies = Array.from({ length: protocolLimits.maxImagesNews }, (_, i): ImageNews => {
        const bytes = digestOf(Buffer.from(`lie ${from + i}`));
        return { kind: 'gone', locator: imageLocatorFrom(bytes), voucher: bytes };
      });
      await liar.network.publish(topics.images, encodeImagesMessage(lies));
    }
    await world.clock.advance(1000);
    await world.keep(holder, image, await recordOf(image, owner.signer));
    expect(holder.withdrawn).toEqual([image.key]);
  });
});
