// Pieces that are kept and sent as zstd frames: who gets them, what they save, and who lies with them.
import { createPackDescriptor, digestOf, encodePiece, maskedBytes, publicDomain } from '@quarry/content';
import type { FetchReport, PackStore, VerifiedPiece } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { zstdCompressSync } from 'node:zlib';
import { protocols } from '../../src/protocol/protocol-names.ts';
import { fullMask } from '../../src/scheduler/piece-masks.ts';
import {
  CHUNK_BYTES,
  contentOf,
  createMemoryWorld,
  isPiece,
  makePack,
  sumOf,
  wantAll,
  wantRun,
} from './memory-world.ts';
import type { MemoryWorld, NodeChoice, TestNode, TestPack } from './memory-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const random = createSeededRandom(7);
/** Half noise, half not: a frame has some 55 % of it. */
const compressible = packOf(512, () => {
  const chunk = new Uint8Array(CHUNK_BYTES);
  chunk.set(random.bytes(CHUNK_BYTES / 2));
  return chunk;
});
const noise = makePack(256, 3);
const unique = compressible.bytes.length;
/** Head of an answer with a piece, and of one to an ask. */
const [PIECE_HEAD, ASK_HEAD] = [2, 37];

function packOf(chunks: number, chunk: () => Uint8Array): TestPack {
  const parts = Array.from({ length: chunks }, chunk);
  const digests = Buffer.concat(parts.map(digestOf));
  const lengths = parts.map(({ length }) => length);
  return {
    descriptor: createPackDescriptor({ domain: publicDomain, digests, lengths }),
    bytes: new Uint8Array(Buffer.concat(parts)),
  };
}

/** Keeps whole pieces as frames where that saves something, as they came or of its own making; counts what came. */
function keepingFrames(written: VerifiedPiece[] = []): (store: PackStore) => PackStore {
  const kept = new Map<string, Uint8Array>();
  return (store) => ({
    ...store,
    async writePiece(piece, waiting) {
      written.push({ ...piece, bytes: piece.bytes.slice(), frame: piece.frame?.slice() });
      if (piece.frame) kept.set(`${piece.descriptor.id} ${piece.piece}`, piece.frame.slice());
      await store.writePiece(piece, waiting);
    },
    async readStored(pack, piece, options) {
      const plain = await store.readStored(pack, piece, options);
      const frame = kept.get(`${pack} ${piece}`) ?? encodePiece(plain.bytes);
      return frame ? { encoding: 'zstd', bytes: frame } : plain;
    },
  });
}

const addSeeder = (holds: readonly TestPack[], choice: NodeChoice = {}): Promise<TestNode> =>
  world.add('seeder', { options: { role: 'seeder' }, holds, wrapStore: keepingFrames(), ...choice });

async function joined(
  count: number,
  seeder: TestNode,
  choiceOf: (i: number) => NodeChoice = () => ({}),
): Promise<TestNode[]> {
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) {
    const known = { bootstrap: [seeder], knows: [compressible, noise], wrapStore: keepingFrames() };
    nodes.push(await world.add(`node-${i}`, { ...known, ...choiceOf(i) }));
  }
  await world.clock.advance(3000);
  return nodes;
}

const fetchAll = (nodes: readonly TestNode[], packs: readonly TestPack[], limitMs = 60_000): Promise<FetchReport[]> =>
  world.until(Promise.all(nodes.map((node) => node.swarm.fetch(wantAll(packs)))), limitMs);

async function expectWhole(nodes: readonly TestNode[], packs: readonly TestPack[]): Promise<void> {
  for (const node of nodes) {
    for (const pack of packs) expect(Buffer.compare(await contentOf(node.store, pack), pack.bytes)).toBe(0);
  }
}

/** Every buffer is back, whatever happened. */
async function expectAllBack(nodes: readonly TestNode[]): Promise<void> {
  await world.clock.advance(15_000);
  for (const node of nodes) {
    const { sending, receiving } = node.swarm.status().memory;
    expect([sending.takenBytes, sending.waiting, receiving.takenBytes, receiving.waiting]).toEqual([0, 0, 0, 0]);
  }
}

/** An older build: it knows only the names that end in 1. */
function withoutFrames(node: TestNode): void {
  for (const name of ['uncheckedPiece', 'piece', 'ask'] as const)
    node.network.handle(protocols[name], { maxRequestBytes: 0 }, refuse)();
}
const refuse = (): never => {
  throw new Error('never called');
};

describe('encoded pieces in a storm', () => {
  test('cross every link as frames, are kept as they came, and count plain and encoded', async () => {
    world = createMemoryWorld(1);
    const written: VerifiedPiece[] = [];
    const seeder = await addSeeder([compressible]);
    const nodes = await joined(6, seeder, () => ({ wrapStore: keepingFrames(written) }));
    const before = seeder.network.up.passedBytes;
    const reports = await fetchAll(nodes, [compressible]);
    await expectWhole(nodes, [compressible]);
    expect(written.length).toBeGreaterThanOrEqual(6 * compressible.descriptor.pieceCount);
    expect(written.every(({ frame }) => frame !== undefined)).toBe(true);
    expect(sumOf(reports, 'seeder')).toBe(unique);
    for (const { fetchedBytes, wireBytes, wireBytesBySource } of reports) {
      expect(fetchedBytes).toBe(unique);
      expect(wireBytes).toBeLessThan(0.65 * unique);
      const { local, peer, seeder: given, origin } = wireBytesBySource;
      expect([local, origin, peer + given]).toEqual([0, 0, wireBytes]);
    }
    const { sentBytes, sentByEncoding, sentPlainBytes } = seeder.swarm.figures();
    expect(sentPlainBytes).toBe(unique);
    expect([sentByEncoding.plain, sentByEncoding.zstd]).toEqual([0, sentBytes]);
    expect(sentBytes).toBeLessThan(0.65 * unique);
    expect((seeder.network.up.passedBytes - before) / unique).toBeLessThan(0.7); // what the link itself has carried
    const received = nodes.map((node) => node.swarm.figures().receivedByEncoding);
    expect(received.every(({ plain }) => plain === 0)).toBe(true);
    await expectAllBack([seeder, ...nodes]);
  });

  test('what does not get smaller goes plain beside them', async () => {
    world = createMemoryWorld(2);
    const seeder = await addSeeder([compressible, noise]);
    const nodes = await joined(3, seeder);
    const reports = await fetchAll(nodes, [compressible, noise]);
    await expectWhole(nodes, [compressible, noise]);
    for (const node of nodes) {
      const { plain, zstd } = node.swarm.figures().receivedByEncoding;
      expect(plain).toBe(noise.bytes.length);
      expect(zstd).toBeLessThan(0.65 * unique);
    }
    expect(sumOf(reports, 'seeder')).toBe(unique + noise.bytes.length);
  });

  test('a part of a piece goes plain, and the rest of it too', async () => {
    world = createMemoryWorld(3);
    const seeder = await addSeeder([compressible]);
    const [node] = (await joined(1, seeder)) as [TestNode];
    const some = wantRun(compressible, 1, 5);
    await world.until(node.swarm.fetch([some]), 30_000);
    expect(node.swarm.figures().receivedByEncoding).toMatchObject({ zstd: 0 });
    await fetchAll([node], [compressible]);
    await expectWhole([node], [compressible]);
    await expectAllBack([seeder, node]);
  });
});

describe('old and new nodes together', () => {
  test('an old seeder gives plain pieces to new nodes, which ask it by the old names', async () => {
    world = createMemoryWorld(4);
    const seeder = await addSeeder([compressible]);
    withoutFrames(seeder);
    const nodes = await joined(3, seeder);
    await fetchAll(nodes, [compressible]);
    await expectWhole(nodes, [compressible]);
    expect(seeder.swarm.figures().sentByEncoding).toMatchObject({ zstd: 0 });
  });

  test('nodes that ask by the old names are answered plain by a seeder and by nodes that keep frames', async () => {
    world = createMemoryWorld(5);
    const seeder = await addSeeder([compressible]);
    const nodes = await joined(4, seeder);
    const old = nodes.slice(0, 2);
    for (const { network } of old) {
      const request = network.request.bind(network);
      const names: Readonly<Record<string, string>> = {
        [protocols.uncheckedPiece]: protocols.plainPiece,
        [protocols.ask]: protocols.plainAsk,
      };
      Object.assign(network, {
        request: (...[peer, protocol, ...rest]: Parameters<typeof request>) =>
          request(peer, names[protocol] ?? protocol, ...rest),
      });
    }
    await fetchAll(nodes, [compressible]);
    await expectWhole(nodes, [compressible]);
    for (const node of old) {
      const { plain, zstd } = node.swarm.figures().receivedByEncoding;
      expect([plain, zstd]).toEqual([unique, 0]);
    }
    expect(nodes[3]?.swarm.figures().receivedByEncoding.zstd).toBeGreaterThan(0);
    expect(nodes.map((node) => node.swarm.figures().bannedPeers)).toEqual([0, 0, 0, 0]);
  });
});

describe('who lies with frames', () => {
  const bomb = zstdCompressSync(new Uint8Array(32 * 1024 * 1024));
  const other = encodePiece(new Uint8Array(4 * CHUNK_BYTES).fill(7)) as Uint8Array;
  test.each([
    ['noise in place of a frame', (body: Uint8Array) => random.bytes(body.length)],
    ['a bomb', () => bomb],
    ['the frame of something else', () => other],
    ['a frame cut short', (body: Uint8Array) => body.subarray(0, body.length - 7)],
    ['a frame with more behind it', (body: Uint8Array) => Buffer.concat([body, Buffer.from('more')])],
  ])('%s: is banned, costs nobody else anything, and everybody has the image all the same', async (_, spoil) => {
    world = createMemoryWorld(6);
    const seeder = await addSeeder([compressible]);
    const tamper = (protocol: string, answer: Uint8Array): Uint8Array =>
      isPiece(protocol) && answer[0] === 0 && answer[1] === 1
        ? Buffer.concat([answer.subarray(0, PIECE_HEAD), spoil(answer.subarray(PIECE_HEAD))])
        : answer;
    const nodes = await joined(5, seeder, (i) => (i === 0 ? { link: { tamper } } : {}));
    const fetching = nodes.map((node) => node.swarm.fetch(wantAll([compressible])));
    fetching[0]?.catch(() => {}); // nobody gives the liar anything any more
    const honest = nodes.slice(1);
    await world.until(Promise.all(fetching.slice(1)), 60_000);
    await expectWhole(honest, [compressible]);
    const banned = honest.flatMap((node) => node.swarm.status().banned.map(({ peer }) => peer));
    expect(banned.length).toBeGreaterThan(0);
    expect(new Set(banned)).toEqual(new Set(['node-0']));
    await nodes[0]?.swarm.close();
    await expectAllBack([seeder, ...nodes]);
  });

  test('a frame for a part of a piece is a lie too, of a seeder as well', async () => {
    world = createMemoryWorld(7);
    const liar = await addSeeder([compressible], {
      link: {
        tamper: (protocol, answer) =>
          protocol === protocols.ask && answer[0] === 0
            ? Buffer.concat([Uint8Array.of(0, 1), answer.subarray(2, ASK_HEAD), other])
            : answer,
      },
    });
    const [node] = (await joined(1, liar, () => ({ options: { giveUpMs: 5000 } }))) as [TestNode];
    const fetching = node.swarm.fetch([wantRun(compressible, 1, 2)]);
    fetching.catch(() => {});
    await expect(world.until(fetching, 60_000)).rejects.toThrow();
    expect(node.swarm.status().banned.map(({ peer }) => peer)).toEqual(['seeder']);
    await expectAllBack([liar, node]);
  });
});

describe('memory in flight', () => {
  const pieceBytes = maskedBytes(compressible.descriptor, 0, fullMask(compressible.descriptor, 0));
  /** Room for three pieces or so at a time, in each direction. */
  const memoryBytes = 2 * 3 * (pieceBytes + 8192);

  test('stays within its bound on every node however many ask at once, and all of it comes back', async () => {
    world = createMemoryWorld(8);
    const seeder = await addSeeder([compressible, noise], { options: { role: 'seeder', memoryBytes } });
    const nodes = await joined(8, seeder, () => ({ options: { memoryBytes } }));
    let isOver = false;
    let most = 0;
    const watch = async (): Promise<void> => {
      while (!isOver) {
        for (const node of [seeder, ...nodes]) {
          const { sending, receiving } = node.swarm.status().memory;
          most = Math.max(most, sending.takenBytes, receiving.takenBytes);
          expect(Math.max(sending.takenBytes, receiving.takenBytes)).toBeLessThanOrEqual(memoryBytes / 2);
        }
        await world.clock.sleep(1);
      }
    };
    const watching = watch();
    await fetchAll(nodes, [compressible, noise], 120_000);
    isOver = true;
    await world.until(watching, 100);
    await expectWhole(nodes, [compressible, noise]);
    expect(most).toBeGreaterThan(memoryBytes / 4); // it was needed
    await expectAllBack([seeder, ...nodes]);
  });

  test('comes back from fetches that are cancelled, peers that stall, die and are banned', async () => {
    world = createMemoryWorld(9);
    const seeder = await addSeeder([compressible, noise]);
    const tamper = (protocol: string, answer: Uint8Array): Uint8Array => {
      if (!isPiece(protocol) || answer.length < 100) return answer;
      const bad = answer.slice();
      bad[50] = (bad[50] ?? 0) ^ 1;
      return bad;
    };
    const nodes = await joined(8, seeder, (i) => (i === 5 ? { link: { tamper } } : {}));
    const leaving = new AbortController();
    const fetches = nodes.map((node, i) =>
      node.swarm.fetch(wantAll([compressible, noise]), i === 1 ? { signal: leaving.signal } : {}).catch(() => {}),
    );
    await world.clock.advance(150);
    world.hub.stall(nodes[2]?.peer ?? seeder.peer);
    leaving.abort(new Error('not wanted'));
    await world.clock.advance(100);
    world.hub.kill(nodes[3]?.peer ?? seeder.peer);
    await nodes[3]?.swarm.close();
    const living = nodes.filter((_, i) => ![1, 2, 3, 5].includes(i));
    await world.until(Promise.all(fetches.filter((_, i) => ![1, 2, 3, 5].includes(i))), 120_000);
    world.hub.wake(nodes[2]?.peer ?? seeder.peer);
    await world.until(Promise.resolve(fetches[2]), 120_000);
    await expectWhole(living, [compressible, noise]);
    await nodes[5]?.swarm.close(); // nobody gives the liar anything any more
    await expectAllBack([seeder, ...nodes]);
  });
});

describe('rate limits', () => {
  test.each([
    ['sending', { uploadBytesPerSecond: 100_000 }, {}],
    ['receiving', {}, { downloadBytesPerSecond: 100_000 }],
  ])('of %s hold within 3 %% of the bytes that cross, and can be changed meanwhile', async (_, sends, receives) => {
    world = createMemoryWorld(10);
    const seeder = await addSeeder([noise], { options: { role: 'seeder', ...sends } });
    const [node] = (await joined(1, seeder, () => ({ options: receives }))) as [TestNode];
    const fetching = node.swarm.fetch(wantAll([noise]));
    fetching.catch(() => {});
    const during = async (ms: number): Promise<number> => {
      const before = node.network.down.passedBytes;
      await world.clock.advance(ms);
      return ((node.network.down.passedBytes - before) * 1000) / ms;
    };
    await world.clock.advance(200); // what the fetch says first is not pieces
    expect(Math.abs((await during(1500)) / 100_000 - 1)).toBeLessThan(0.03);
    const faster = { ...sends, ...receives };
    for (const key of Object.keys(faster)) {
      for (const { swarm } of [seeder, node]) swarm.setRates({ [key]: 20_000 });
    }
    await world.clock.advance(300);
    expect(Math.abs((await during(2000)) / 20_000 - 1)).toBeLessThan(0.05); // messages of other kinds weigh more here
    for (const { swarm } of [seeder, node]) {
      swarm.setRates({ uploadBytesPerSecond: Infinity, downloadBytesPerSecond: Infinity });
    }
    await world.until(fetching, 5000);
    await expectWhole([node], [noise]);
    await expectAllBack([seeder, node]);
  });
});
