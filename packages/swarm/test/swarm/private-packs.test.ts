// Who may have a project's packs: whoever was told their secrets. The curious node is a member of the cluster, hears every locator, and has no secret.
import { domain, makePackProof, packIdFrom } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { unsalted } from '@quarry/content/conformance';
import { createSeededRandom } from '@quarry/runtime';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import { encodeAsk } from '../../src/protocol/ask.ts';
import { encodeGetBlob } from '../../src/protocol/get-blob.ts';
import { decodeHavesAnswer, encodeGetHaves } from '../../src/protocol/get-haves.ts';
import { encodeGetPiece } from '../../src/protocol/get-piece.ts';
import { decodeHavesMessage } from '../../src/protocol/haves-message.ts';
import { emptyPieceSet } from '../../src/protocol/piece-set.ts';
import { protocols, topics } from '../../src/protocol/protocol-names.ts';
import type { ProtocolName } from '../../src/protocol/protocol-names.ts';
import { contentOf, createMemoryWorld, makePack, sumOf, totalBytes, wantAll } from './memory-world.ts';
import type { MemoryWorld, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const red = domain('project:red');
const ours = makePack(64, 1, red);
const everybodys = makePack(64, 2);
const { id, secret = new Uint8Array(0) } = ours.descriptor;
const random = createSeededRandom(3);
const nobodys = packIdFrom(random.bytes(32));

/** A seeder and a node that hold the pack, and members that do not, some of which fetch it. */
async function cluster(members: readonly string[]): Promise<Record<string, TestNode>> {
  world = createMemoryWorld(5);
  const seeder = await world.add('seeder', { options: { role: 'seeder' }, holds: [ours, everybodys] });
  const nodes: Record<string, TestNode> = { seeder };
  for (const name of ['holder', ...members]) {
    nodes[name] = await world.add(name, { bootstrap: [seeder], holds: name === 'holder' ? [ours, everybodys] : [] });
  }
  await world.clock.advance(5000);
  return nodes;
}

async function fetchAs(node: TestNode): Promise<void> {
  const found = await world.until(node.swarm.findDescriptor(id, { secret }), 5000);
  if (!found) throw new Error('who knows the secret finds the descriptor');
  expect(found).toEqual(ours.descriptor);
  await node.store.addPack(found);
}

describe('who knows the secret', () => {
  test('finds the descriptor, and has the pieces from the seeder once and from nodes', async () => {
    world = createMemoryWorld(1);
    const seeder = await world.add('seeder', { options: { role: 'seeder' }, holds: [ours, everybodys] });
    const nodes: TestNode[] = [];
    for (const name of ['a', 'b', 'c', 'd'])
      nodes.push(await world.add(name, { bootstrap: [seeder], knows: [everybodys] }));
    await world.clock.advance(3000);
    for (const node of nodes) await fetchAs(node);
    const reports = await world.until(
      Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([ours, everybodys])))),
      30_000,
    );
    for (const node of nodes) expect(Buffer.compare(await contentOf(node.store, ours), ours.bytes)).toBe(0);
    expect(sumOf(reports, 'seeder') / totalBytes([ours, everybodys])).toBeLessThan(1.3);
    expect(sumOf(reports, 'peer')).toBeGreaterThan(2 * totalBytes([ours, everybodys]));
    expect(nodes.map(({ swarm }) => swarm.figures().bannedPeers)).toEqual([0, 0, 0, 0]);
  });

  test('has the pieces from nodes alone where there is no seeder', async () => {
    world = createMemoryWorld(2);
    const holder = await world.add('holder', { holds: [ours] });
    const node = await world.add('node', { bootstrap: [holder] });
    await world.clock.advance(3000);
    await fetchAs(node);
    const report = await world.until(node.swarm.fetch(wantAll([ours])), 30_000);
    expect(report.bytesBySource.peer).toBe(ours.bytes.length);
  });

  test('and asks a seeder of an older build has everybody’s packs from it, and the private one from elsewhere', async () => {
    world = createMemoryWorld(3);
    const seeder = await world.add('seeder', { options: { role: 'seeder' }, holds: [everybodys] });
    const holder = await world.add('holder', { bootstrap: [seeder], holds: [ours] });
    const node = await world.add('node', { bootstrap: [seeder, holder], knows: [everybodys] });
    speaksOnlyTheFirst(node, seeder.peer);
    await world.clock.advance(3000);
    await fetchAs(node);
    const report = await world.until(node.swarm.fetch(wantAll([ours, everybodys])), 30_000);
    expect(report.bytesBySource).toMatchObject({ seeder: everybodys.bytes.length, peer: ours.bytes.length });
  });
});

/** The seeder refuses this node the newer names. */
function speaksOnlyTheFirst({ network }: TestNode, seeder: PeerId): void {
  const request = network.request.bind(network);
  const newer: readonly string[] = [protocols.piece, protocols.ask];
  Object.assign(network, {
    request: (...[peer, protocol, ...rest]: Parameters<typeof request>) =>
      request(peer, peer === seeder && newer.includes(protocol) ? `${protocol} unheard of` : protocol, ...rest),
  });
}

/** Every way to ask for something of a pack, with a proof that is none of this asker's, or with none. */
function questions(pack: PackId, proof: Uint8Array): readonly (readonly [ProtocolName, Uint8Array])[] {
  const all = { whole: Uint8Array.of(255, 255), partial: [] };
  const want = { pack, piece: 0, mask: 0b1111 };
  const asked = { pack, need: all, have: emptyPieceSet };
  const blob = { id: Buffer.from(pack, 'hex'), insists: false };
  return [
    ['piece', encodeGetPiece(want)],
    ['piece', encodeGetPiece({ ...want, piece: 200 })],
    ['piece', encodeGetPiece({ ...want, proof })],
    ['uncheckedPiece', encodeGetPiece({ ...want, proof })],
    ['plainPiece', encodeGetPiece(want)],
    ['descriptor', encodeGetBlob(blob)],
    ['descriptor', encodeGetBlob({ ...blob, insists: true, proof })],
    ['ask', encodeAsk({ packs: [{ ...asked, proof }], distrusts: [] })],
    ['ask', encodeAsk({ packs: [asked], distrusts: [] })],
    ['plainAsk', encodeAsk({ packs: [asked], distrusts: [] })],
  ];
}

interface Heard {
  readonly answer: string;
  readonly afterMs: number;
}

/** What a member is told, and after how long; the pack's id, which an answer may repeat, is taken out. */
async function askAll(asker: TestNode, server: TestNode, pack: PackId, proof: Uint8Array): Promise<Heard[]> {
  const heard: Heard[] = [];
  for (const [name, request] of questions(pack, proof)) {
    const beganMs = world.clock.now();
    const answering = asker.network
      .request(server.peer, protocols[name], request, { maxBytes: 1 << 20 })
      .then((bytes) => Buffer.from(bytes).toString('hex').replace(pack, 'id'))
      .catch((error: unknown) => String(error));
    const answer = await world.until(answering, 5000);
    heard.push({ answer: `${name} ${answer}`, afterMs: world.clock.now() - beganMs });
  }
  return heard;
}

describe('who only heard the locator', () => {
  test('is told by a seeder and by a node, to the byte and as fast, what it is told of a pack that nobody has', async () => {
    // Each pack asked for by another: a seeder remembers for some seconds what it has told whom.
    const { seeder, holder, curious, ignorant } = (await cluster(['curious', 'ignorant'])) as Record<string, TestNode>;
    if (!seeder || !holder || !curious || !ignorant) throw new Error('all are there');
    const haves = await world.until(
      curious.network.request(holder.peer, protocols.haves, encodeGetHaves([id]), { maxBytes: 1 << 20 }),
      1000,
    );
    expect(decodeHavesAnswer(haves).packs).toMatchObject([{ pack: id }]); // so it knows that it is there
    for (const server of [seeder, holder]) {
      const guess = random.bytes(32);
      const ofOurs = await askAll(curious, server, id, guess);
      expect(ofOurs).toEqual(await askAll(ignorant, server, nobodys, guess));
      const names = ['piece', 'piece', 'piece', 'uncheckedPiece', 'plainPiece', 'descriptor', 'descriptor'];
      expect(ofOurs.map(({ answer }) => answer).slice(0, 7)).toEqual(names.map((name) => `${name} 02`));
      expect(server.swarm.status().banned).toEqual([]);
    }
    expect(seeder.swarm.figures().sentBytes + holder.swarm.figures().sentBytes).toBe(0);
    expect(seeder.swarm.status().seeding).toMatchObject({ gives: 0, waiting: 0 });
  });

  test('gets nothing with a proof that another made, for whomever it was', async () => {
    const { seeder, holder, curious, friend } = (await cluster(['curious', 'friend'])) as Record<string, TestNode>;
    if (!seeder || !holder || !curious || !friend) throw new Error('all are there');
    const proofOf = (asker: TestNode, server: TestNode): Uint8Array =>
      makePackProof(secret, { asker: asker.peer, server: server.peer });
    const piece = (asker: TestNode, server: TestNode, proof: Uint8Array): Promise<number | undefined> =>
      world.until(
        asker.network
          .request(server.peer, protocols.piece, encodeGetPiece({ pack: id, piece: 0, mask: 15, proof }), {
            maxBytes: 1 << 20,
          })
          .then((bytes) => bytes[0]),
        5000,
      );
    for (const server of [seeder, holder]) {
      const other = server === seeder ? holder : seeder;
      expect(await piece(friend, server, proofOf(friend, server))).toBe(0);
      expect(await piece(curious, server, proofOf(friend, server))).toBe(2); // overheard
      expect(await piece(curious, server, proofOf(friend, curious))).toBe(2); // shown to the curious node itself
      expect(await piece(curious, server, proofOf(server, curious))).toBe(2); // the other way round
      expect(await piece(friend, server, proofOf(friend, other))).toBe(2); // shown to another
      expect(await piece(friend, server, proofOf(friend, server))).not.toBe(2); // still good (a seeder has given it, and says wait)
    }
  });

  test('like who has a proof, is given no private pack by the names that know no proofs', async () => {
    const { seeder, friend, ignorant } = (await cluster(['friend', 'ignorant'])) as Record<string, TestNode>;
    if (!seeder || !friend || !ignorant) throw new Error('all are there');
    const proof = makePackProof(secret, { asker: friend.peer, server: seeder.peer });
    const all = { whole: Uint8Array.of(255, 255), partial: [] };
    const ask = async (asker: TestNode, pack: PackId): Promise<string> => {
      const request = encodeAsk({ packs: [{ pack, need: all, have: emptyPieceSet, proof }], distrusts: [] });
      const answering = asker.network.request(seeder.peer, protocols.plainAsk, request, { maxBytes: 1 << 20 });
      return Buffer.from(await world.until(answering, 5000))
        .toString('hex')
        .replace(pack, 'id');
    };
    expect(await ask(friend, id)).toBe(await ask(ignorant, nobodys));
    expect(await ask(friend, everybodys.descriptor.id)).toMatch(/^00/);
  });

  test('finds no descriptor', async () => {
    const { curious } = (await cluster(['curious'])) as Record<string, TestNode>;
    if (!curious) throw new Error('it is there');
    expect(await world.until(curious.swarm.findDescriptor(id), 10_000)).toBeUndefined();
    expect(await world.until(curious.swarm.findDescriptor(id, { secret: random.bytes(32) }), 10_000)).toBeUndefined();
  });
});

test('a project’s pack of an older build is neither announced nor served, and its id not told when it goes', async () => {
  world = createMemoryWorld(7);
  const older = { ...ours, descriptor: unsalted(ours.descriptor) };
  const holder = await world.add('holder', { holds: [older, everybodys] });
  const curious = await world.add('curious', { bootstrap: [holder] });
  const told = new Set<PackId>();
  curious.network.subscribe(topics.haves, {
    validate: () => 'accept',
    onMessage: ({ bytes }) => decodeHavesMessage(bytes).packs.forEach(({ pack }) => told.add(pack)),
  });
  await world.clock.advance(40_000);
  const ofOlder = await askAll(curious, holder, older.descriptor.id, random.bytes(32));
  expect(ofOlder).toEqual(await askAll(curious, holder, nobodys, random.bytes(32)));
  const asked = encodeGetHaves([older.descriptor.id]);
  const haves = curious.network.request(holder.peer, protocols.haves, asked, { maxBytes: 1 << 20 });
  expect(decodeHavesAnswer(await world.until(haves, 1000)).packs).toEqual([]);
  await holder.store.evict(0);
  await world.clock.advance(40_000);
  expect([...told]).toEqual([everybodys.descriptor.id]);
});
