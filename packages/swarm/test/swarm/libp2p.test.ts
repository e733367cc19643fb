// The same swarm on the real network: sockets, Noise, yamux and gossipsub on loopback, real chunks, the machine's clock.
import { createPackDescriptor, digestOf, domain, fullChunkSet, publicDomain, sealPiece } from '@quarry/content';
import type { Domain, PackDescriptor, PackStore, PackWant } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import { createSeededRandom, silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bulkProtocols } from '../../src/bulk/bulk-options.ts';
import type { BulkNetwork } from '../../src/bulk/create-bulk-network.ts';
import { createSwarm } from '../../src/create-swarm.ts';
import type { QuarrySwarm } from '../../src/create-swarm.ts';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import type { NetworkOptions } from '../../src/network/network-options.ts';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import { encodeGetPiece } from '../../src/protocol/get-piece.ts';
import { protocols } from '../../src/protocol/protocol-names.ts';
import { startBulkNode, startNode, until } from '../network/nodes.ts';

const CHUNK_BYTES = 64 * 1024;

interface RealNode<N = Libp2pNetwork> {
  readonly network: N;
  readonly store: PackStore;
  readonly swarm: QuarrySwarm;
}

interface RealPack {
  readonly descriptor: PackDescriptor;
  readonly bytes: Uint8Array;
}

function makeRealPack(chunks: number, seed: number, owner: Domain = publicDomain): RealPack {
  const bytes = Buffer.alloc(chunks * CHUNK_BYTES);
  const noise = createSeededRandom(seed).bytes(CHUNK_BYTES);
  const digests = new Uint8Array(chunks * 32);
  for (let i = 0; i < chunks; i += 1) {
    bytes.set(noise, i * CHUNK_BYTES);
    bytes.writeUInt32LE(seed * 100_000 + i, i * CHUNK_BYTES);
    digests.set(digestOf(bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)), i * 32);
  }
  const lengths = Array.from({ length: chunks }, () => CHUNK_BYTES);
  const salt = owner === publicDomain ? undefined : new Uint8Array(32).fill(seed);
  return { descriptor: createPackDescriptor({ domain: owner, digests, lengths, salt }), bytes };
}

const pack = makeRealPack(256, 1);
const wants: PackWant[] = [{ pack: pack.descriptor.id, chunks: fullChunkSet(256) }];

async function start(options: ChosenSwarmOptions, network: Partial<NetworkOptions>, holds = false): Promise<RealNode> {
  return startOn(await startNode(network), options, holds ? pack : undefined);
}

async function startOn<N extends Libp2pNetwork>(
  node: N,
  options: ChosenSwarmOptions,
  holds: RealPack | undefined,
): Promise<RealNode<N>> {
  const store = createMemoryPackStore();
  if (holds) await fillReal(store, holds);
  const base = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const swarm = createSwarm({ ...base, network: node, store, catalog: createMemoryImageCatalog() }, options);
  onTestFinished(() => swarm.close());
  await swarm.start();
  return { network: node, store, swarm };
}

async function fillReal(store: PackStore, { descriptor, bytes }: RealPack): Promise<void> {
  await store.addPack(descriptor);
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const from = piece * descriptor.chunksPerPiece * CHUNK_BYTES;
    const part = bytes.subarray(from, from + descriptor.chunksPerPiece * CHUNK_BYTES);
    await store.writePiece(sealPiece(descriptor, piece, part));
  }
}

const contentOf = (node: RealNode): Promise<Uint8Array> => node.store.readChunks(pack.descriptor.id, 0, 256);

describe('a storm on loopback', () => {
  test('four nodes that know only the seeder fetch a pack, and each byte leaves the seeder once', async () => {
    // A seeder whose outgoing link is for pieces: it does not dial.
    const seeder = await start({ role: 'seeder' }, { dials: false }, true);
    const bootstrap = [...seeder.network.addresses()];
    const nodes = await Promise.all(Array.from({ length: 4 }, () => start({}, { bootstrap })));
    await until(() => nodes.every((node) => node.swarm.figures().peers === 4));
    const sentBefore = seeder.network.traffic().sentBytes;
    const reports = await Promise.all(nodes.map((node) => node.swarm.fetch(wants)));
    for (const node of nodes) expect(Buffer.compare(await contentOf(node), pack.bytes)).toBe(0);
    const given = reports.reduce((sum, report) => sum + report.bytesBySource.seeder, 0);
    expect(given).toBe(pack.bytes.length);
    const { regives } = seeder.swarm.status().seeding ?? {};
    expect(Object.values(regives ?? { none: 1 }).every((count) => count === 0)).toBe(true);
    // Requests, refusals, descriptors and all, in both directions.
    expect((seeder.network.traffic().sentBytes - sentBefore) / pack.bytes.length).toBeLessThan(1.02);
    expect(reports.every((report) => report.badChunks === 0)).toBe(true);
  });

  test('one who comes later has it from the others, and the seeder is not asked again', async () => {
    const seeder = await start({ role: 'seeder' }, { dials: false }, true);
    const bootstrap = [...seeder.network.addresses()];
    const first = await start({}, { bootstrap });
    await until(() => first.swarm.figures().peers === 1);
    await first.swarm.fetch(wants);
    const late = await start({}, { bootstrap });
    await until(() => late.swarm.figures().peers === 2);
    const report = await late.swarm.fetch(wants);
    expect(report.bytesBySource).toEqual({ local: 0, peer: pack.bytes.length, seeder: 0, origin: 0 });
  });

  test('a private pack travels in bulk to who knows its secret, and not to who only knows its locator', async () => {
    const ours = makeRealPack(256, 7, domain('project:red'));
    const { id, secret } = ours.descriptor;
    const bulk = (): Promise<BulkNetwork> => startBulkNode('tls', {}, {}, { protocols: bulkProtocols });
    const seeder = await startOn(await bulk(), { role: 'seeder' }, ours);
    const [first, second, curious] = [
      await startOn(await bulk(), {}, undefined),
      await startOn(await bulk(), {}, undefined),
      await startOn(await bulk(), {}, undefined),
    ];
    const nodes = [first, second, curious];
    for (const { network } of nodes) await network.dial(seeder.network.peerId, seeder.network.addresses());
    await until(() => nodes.every((node) => node.swarm.figures().peers === 3));
    const all: PackWant[] = [{ pack: id, chunks: fullChunkSet(256) }];
    for (const { swarm, store } of [first, second]) {
      const found = await swarm.findDescriptor(id, { secret });
      if (!found) throw new Error('who knows the secret finds the descriptor');
      await store.addPack(found);
      await swarm.fetch(all);
      expect(Buffer.compare(await store.readChunks(id, 0, 256), ours.bytes)).toBe(0);
    }
    expect(first.network.bulk().receivedBytes).toBeGreaterThan(ours.bytes.length);
    expect(second.swarm.figures().receivedBySource.peer).toBe(ours.bytes.length);
    const wanted = encodeGetPiece({ pack: id, piece: 0, mask: 1, proof: new Uint8Array(32) });
    for (const server of [seeder, first]) {
      const answer = await curious.network.request(server.network.peerId, protocols.piece, wanted, {
        maxBytes: 1 << 20,
      });
      expect([...answer]).toEqual([2]);
    }
    expect(await curious.swarm.findDescriptor(id)).toBeUndefined();
  });

  test('a node that says goodbye is forgotten at once, and one that is banned is gone', async () => {
    const [one, two] = [await start({}, {}), await start({}, {})];
    const bootstrap = [...one.network.addresses()];
    const three = await start({}, { bootstrap });
    await two.network.dial(one.network.peerId, one.network.addresses());
    await until(() => one.swarm.figures().peers === 2 && two.swarm.figures().peers === 2);
    await two.swarm.close();
    await two.network.close();
    await until(() => one.swarm.figures().members === 2 && three.swarm.figures().members === 2);
    one.swarm.ban(three.network.peerId, 'a test');
    await until(() => one.swarm.figures().peers === 0);
    expect(one.swarm.figures()).toMatchObject({ members: 1, bannedPeers: 1 });
  });
});
