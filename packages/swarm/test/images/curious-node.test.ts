// A member of the cluster that knows no key and has no ticket. What it gets for a private image is, byte for byte, what it gets for one that does not exist.
import {
  decodeTicket,
  encodeTicket,
  idBytes,
  imageLocator,
  imageRef,
  imageSecret,
  makeImageProof,
  signTicket,
} from '@quarry/content';
import type { ImageLocator, Signer, Ticket } from '@quarry/content';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import { decodeBlobAnswer, encodeGetBlob } from '../../src/protocol/get-blob.ts';
import { decodeTicketAnswer, encodeGetTicket } from '../../src/protocol/get-ticket.ts';
import { protocols } from '../../src/protocol/protocol-names.ts';
import { encodeFindRecords, encodeListRecords } from '../../src/protocol/records.ts';
import { createPrivateWorld, imageOf, project, publicImageOf, signerOf } from './private-world.ts';
import type { MemberNode, PrivateWorld, TestImage } from './private-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: PrivateWorld;
let seeder: MemberNode;
let publisher: MemberNode;
let friend: MemberNode;
let curious: MemberNode;

const secretImage = imageOf('8d2c4c5e-0000-4000-8000-000000000001');
const nobodysImage = imageOf('8d2c4c5e-0000-4000-8000-000000000002', { version: 9, chunks: 2 });

beforeEach(async () => {
  world = createPrivateWorld(30);
  seeder = await world.add({ options: { role: 'seeder' } });
  publisher = await world.add({ bootstrap: [seeder] });
  friend = await world.add({ bootstrap: [seeder] });
  curious = await world.add({ bootstrap: [seeder] });
  await world.clock.advance(4000);
  const record = await world.publish(publisher, secretImage);
  await world.keep(seeder, secretImage, record);
  await world.keep(friend, secretImage, record);
  await world.clock.advance(1000);
});
afterEach(() => world.close());

const asked = (of: MemberNode, protocol: string, bytes: Uint8Array): Promise<Uint8Array> =>
  world.until(curious.network.request(of.peer, protocol, bytes, { maxBytes: 1 << 20 }), 10_000);
const askedAll = (protocol: string, bytes: Uint8Array): Promise<Uint8Array[]> =>
  Promise.all([seeder, publisher, friend].map((node) => asked(node, protocol, bytes)));
const askTicket = (of: MemberNode, locator: ImageLocator, proof: Uint8Array): Promise<Uint8Array> =>
  asked(of, protocols.ticket, encodeGetTicket({ locator, proof }));
const askManifest = (of: MemberNode, image: TestImage, ticket?: Ticket | Uint8Array): Promise<Uint8Array> => {
  const shown = ticket === undefined || ticket instanceof Uint8Array ? ticket : encodeTicket(ticket);
  return asked(
    of,
    protocols.manifest,
    encodeGetBlob({ id: idBytes(image.manifest.id), insists: false, ticket: shown }),
  );
};
const ticketOf = (
  signer: Signer,
  bearer: PeerId,
  choice: { leftMs?: number; image?: TestImage } = {},
): Promise<Ticket> =>
  signTicket(
    {
      manifest: (choice.image ?? secretImage).manifest.id,
      bearer,
      expiresAtMs: world.clock.wallMs() + (choice.leftMs ?? 60_000),
    },
    signer,
  );
const isGiven = (answer: Uint8Array): boolean => decodeBlobAnswer(answer, 1 << 20).kind === 'blob';

describe('who knows neither key nor ticket', () => {
  test('is told of no private record, by reference or in a list', async () => {
    await world.publish(publisher, publicImageOf('open'));
    const unknown = await askedAll(protocols.findRecords, encodeFindRecords(nobodysImage.key.ref));
    expect(await askedAll(protocols.findRecords, encodeFindRecords(secretImage.key.ref))).toEqual(unknown);
    const lists = await askedAll(protocols.listRecords, encodeListRecords({ after: undefined, limit: 10 }));
    for (const list of lists) expect(Buffer.from(list).includes(secretImage.key.ref)).toBe(false);
    expect(Buffer.from(lists[1] as Uint8Array).includes('open')).toBe(true);
    const next = await asked(publisher, protocols.listRecords, encodeListRecords({ after: imageRef('7'), limit: 1 }));
    expect(Buffer.from(next).includes('open')).toBe(true);
  });

  test('is given no manifest though it knows the id, and is told the same as of one that nobody has', async () => {
    for (const node of [seeder, publisher, friend]) {
      const unknown = await askManifest(node, nobodysImage);
      expect(isGiven(unknown)).toBe(false);
      expect(await askManifest(node, secretImage)).toEqual(unknown);
      expect(await askManifest(node, secretImage, new Uint8Array(100))).toEqual(unknown);
    }
  });

  test('is given no private manifest of which the record has gone, or has not come yet', async () => {
    await friend.catalog.putManifest(nobodysImage.manifest);
    const unknown = await askManifest(publisher, nobodysImage);
    expect(await askManifest(friend, nobodysImage)).toEqual(unknown);
    const ticket = await ticketOf(publisher.signer, curious.peer, { image: nobodysImage });
    expect(await askManifest(friend, nobodysImage, ticket)).toEqual(unknown);
  });

  test('gets no ticket for a locator that it has heard, with whatever proof', async () => {
    const locator = imageLocator(secretImage.key);
    const secret = imageSecret(secretImage.key);
    for (const node of [seeder, publisher, friend]) {
      const unknown = await askTicket(node, imageLocator(nobodysImage.key), new Uint8Array(32));
      expect(decodeTicketAnswer(unknown)).toBeUndefined();
      const proofs = [
        new Uint8Array(32),
        makeImageProof(imageSecret(nobodysImage.key), curious.peer, node.peer),
        makeImageProof(secret, friend.peer, node.peer), // seen at another asker's
        makeImageProof(secret, curious.peer, node === seeder ? publisher.peer : seeder.peer), // made for another server
      ];
      for (const proof of proofs) expect(await askTicket(node, locator, proof)).toEqual(unknown);
    }
    // And it is not for want of a ticket: a good proof gets one.
    const good = await askTicket(publisher, locator, makeImageProof(secret, curious.peer, publisher.peer));
    expect(decodeTicketAnswer(good)?.ticket.bearer).toBe(curious.peer);
  });

  test('a node that has the image but published nothing answers a good proof as if it had not', async () => {
    const proof = makeImageProof(imageSecret(secretImage.key), curious.peer, friend.peer);
    const answer = await askTicket(friend, imageLocator(secretImage.key), proof);
    expect(answer).toEqual(await askTicket(friend, imageLocator(nobodysImage.key), new Uint8Array(32)));
  });

  test('hears in gossip and as a newcomer nothing that names an image', async () => {
    const heard: Buffer[] = [];
    const late = await world.add({ bootstrap: [seeder] });
    const { network } = late;
    const request = network.request.bind(network);
    network.request = async (...call) => {
      const answer = await request(...call);
      heard.push(Buffer.from(answer));
      return answer;
    };
    await world.clock.advance(5000);
    expect(heard.some((answer) => answer.includes(Buffer.from(imageLocator(secretImage.key), 'hex')))).toBe(true);
    for (const answer of heard) {
      expect(answer.includes(secretImage.key.ref)).toBe(false);
      expect(answer.includes(Buffer.from(secretImage.manifest.id, 'hex'))).toBe(false);
      expect(answer.includes(Buffer.from(imageSecret(secretImage.key)))).toBe(false);
    }
  });
});

describe('a ticket', () => {
  test('of the publisher opens the manifest to its bearer, wherever the record is known', async () => {
    const ticket = await ticketOf(publisher.signer, curious.peer);
    for (const node of [seeder, publisher, friend])
      expect(isGiven(await askManifest(node, secretImage, ticket))).toBe(true);
  });

  test('of a seeder does, too, and one within the tolerance of calendars', async () => {
    const ofSeeder = await ticketOf(seeder.signer, curious.peer);
    expect(isGiven(await askManifest(friend, secretImage, ofSeeder))).toBe(true);
    const late = await ticketOf(publisher.signer, curious.peer, { leftMs: -29_000 });
    expect(isGiven(await askManifest(friend, secretImage, late))).toBe(true);
  });

  test.for<[string, () => Promise<Ticket>]>([
    ['for another bearer', () => ticketOf(publisher.signer, friend.peer)],
    ['that has expired', () => ticketOf(publisher.signer, curious.peer, { leftMs: -31_000 })],
    ['that is good for ever', () => ticketOf(publisher.signer, curious.peer, { leftMs: 3_600_000 })],
    ['of a stranger', () => ticketOf(signerOf(5), curious.peer)],
    ['that its bearer signed', () => ticketOf(curious.signer, curious.peer)],
    ['of a member that published nothing', () => ticketOf(friend.signer, curious.peer)],
    ['for another manifest', () => ticketOf(publisher.signer, curious.peer, { image: nobodysImage })],
    [
      'that somebody changed',
      async () => ({ ...(await ticketOf(publisher.signer, friend.peer)), bearer: curious.peer }),
    ],
  ])('%s opens nothing', async ([, make]) => {
    const ticket = await make();
    expect(decodeTicket(encodeTicket(ticket))).toEqual(ticket);
    for (const node of [seeder, publisher, friend]) {
      const unknown = await askManifest(node, nobodysImage);
      expect(await askManifest(node, secretImage, ticket)).toEqual(unknown);
    }
  });
});

describe('who asks too often', () => {
  test('is answered as if there were nothing, and later again', async () => {
    const locator = imageLocator(secretImage.key);
    const proof = makeImageProof(imageSecret(secretImage.key), curious.peer, publisher.peer);
    const unknown = await askTicket(publisher, imageLocator(nobodysImage.key), new Uint8Array(32));
    const all = await world.until(
      Promise.all(
        Array.from({ length: 400 }, () =>
          curious.network.request(publisher.peer, protocols.ticket, encodeGetTicket({ locator, proof }), {
            maxBytes: 1 << 20,
          }),
        ),
      ),
      20_000,
    );
    const refused = all.filter((answer) => Buffer.compare(answer, unknown) === 0);
    expect(refused.length).toBeGreaterThan(100);
    expect(refused.length).toBeLessThan(200);
    await world.clock.advance(10_000);
    expect(decodeTicketAnswer(await askTicket(publisher, locator, proof))).toBeDefined();
  });
});

describe('who asks for a private image', () => {
  test('tells nobody its reference where it says whose the image is', async () => {
    const saying = vi.spyOn(friend.network, 'request');
    const isSaid = (): boolean =>
      saying.mock.calls.some(([, , bytes]) => Buffer.from(bytes).includes(nobodysImage.key.ref));
    const { ref, imageBytes, hash } = nobodysImage.key;
    const find = (domain?: typeof project): Promise<unknown> =>
      world.until(friend.swarm.findRecords(ref, { imageBytes, hash, domain }), 20_000);
    expect(await find(project)).toEqual([]);
    expect(saying.mock.calls.length).toBeGreaterThan(0);
    expect(isSaid()).toBe(false);
    expect(await find()).toEqual([]); // who does not say it may mean a public one
    expect(isSaid()).toBe(true);
  });
});
