// What an observer hears of a storm: enough to say of each piece who had it when, and whom it waited for.
import type { PieceSource, SourceKind } from '@quarry/content';
import { verifyPiece } from '@quarry/content';
import { afterEach, expect, test, vi } from 'vitest';
import { fullMask } from '../../src/scheduler/piece-masks.ts';
import type { ReceivedPiece, TransferEvent } from '../../src/transfer/transfer-events.ts';
import { CHUNK_BYTES, createMemoryWorld, isPiece, makePack, totalBytes, wantAll } from './memory-world.ts';
import type { MemoryWorld, NodeChoice, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(256, 1); // 64 pieces of 4 chunks
const { descriptor } = image;
const pack = descriptor.id;

interface Observed extends TestNode {
  readonly events: TransferEvent[];
}

async function add(name: string, choice: NodeChoice = {}): Promise<Observed> {
  const events: TransferEvent[] = [];
  const options = { ...choice.options, observe: (event: TransferEvent) => void events.push(event) };
  return { ...(await world.add(name, { ...choice, options })), events };
}

function ofKind<Kind extends TransferEvent['kind']>({ events }: Observed, kind: Kind) {
  return events.filter((event): event is TransferEvent & { kind: Kind } => event.kind === kind);
}

const presentAtMs = (node: Observed, piece: number): number =>
  ofKind(node, 'received').find((one) => one.piece === piece)?.presentAtMs ?? 0;

function expectInOrder(piece: ReceivedPiece): void {
  const { askedAtMs, firstByteAtMs = askedAtMs, wholeAtMs, verifiedAtMs, presentAtMs: endMs } = piece;
  const times = [askedAtMs, firstByteAtMs, wholeAtMs ?? verifiedAtMs, verifiedAtMs, endMs];
  expect(times.toSorted((a, b) => a - b)).toEqual(times);
}

test('of a storm an observer learns for each piece who sent it, when each of the two was at it, and when others heard', async () => {
  world = createMemoryWorld(1);
  const seeder = await add('seeder', { options: { role: 'seeder' }, holds: [image] });
  const nodes: Observed[] = [];
  for (let i = 0; i < 5; i += 1) nodes.push(await add(`node-${i}`, { bootstrap: [seeder], knows: [image] }));
  await world.clock.advance(3000);
  const beganMs = world.clock.now();
  const reports = await world.until(Promise.all(nodes.map(({ swarm }) => swarm.fetch(wantAll([image])))), 30_000);
  await world.clock.advance(1000); // what came last is told
  const byPeer = new Map([seeder, ...nodes].map((node) => [node.peer, node]));
  for (const [i, node] of nodes.entries()) {
    const pieces = ofKind(node, 'received');
    const bytesFrom = (source: SourceKind): number =>
      pieces.reduce((sum, one) => sum + (one.source === source ? one.plainBytes - one.duplicateBytes : 0), 0);
    expect(new Set(pieces.map(({ piece }) => piece)).size).toBe(descriptor.pieceCount);
    expect(bytesFrom('peer')).toBe(reports[i]?.bytesBySource.peer);
    expect(bytesFrom('seeder')).toBe(reports[i]?.bytesBySource.seeder);
    for (const one of pieces) {
      expectInOrder(one);
      expect(one.firstByteAtMs).toBeDefined();
      const sender = byPeer.get(one.from ?? node.peer) as Observed;
      const sent = ofKind(sender, 'sent').find(
        // a piece may come in parts
        ({ to, piece, wireBytes, askedAtMs }) =>
          to === node.peer && piece === one.piece && wireBytes === one.wireBytes && askedAtMs >= one.askedAtMs,
      );
      if (!sent) throw new Error(`nobody says that he sent piece ${one.piece}`);
      expect(sent).toMatchObject({ pack, isWhole: true, wireBytes: one.wireBytes });
      expect(sent.askedAtMs).toBeGreaterThanOrEqual(one.askedAtMs);
      expect(sent.admittedAtMs).toBeGreaterThanOrEqual(sent.askedAtMs);
      expect(sent.readAtMs).toBeGreaterThanOrEqual(sent.admittedAtMs);
      expect(one.presentAtMs).toBeGreaterThanOrEqual(sent.readAtMs);
      if (sender !== seeder) expect(presentAtMs(sender, one.piece)).toBeLessThanOrEqual(sent.admittedAtMs);
    }
    expect(ofKind(node, 'told').filter((told) => told.pack === pack).length).toBeGreaterThan(0);
    expect(ofKind(node, 'appeared')).toEqual([]);
    const loads = ofKind(node, 'load').filter(({ atMs }) => atMs >= beganMs);
    expect(loads.length).toBeGreaterThan(0);
    for (const { requests, window } of loads) expect(requests).toBeLessThanOrEqual(window);
  }
});

test('an observer hears who lied, and from whom the piece came then', async () => {
  world = createMemoryWorld(2);
  const spoil = (protocol: string, answer: Uint8Array): Uint8Array =>
    isPiece(protocol) && answer.length > 100 ? answer.map((byte, i) => (i === 50 ? byte ^ 1 : byte)) : answer;
  const liar = await add('liar', { holds: [image], link: { tamper: spoil } });
  const honest = await add('honest', { holds: [image] });
  const node = await add('node', { bootstrap: [liar, honest], knows: [image] });
  await world.clock.advance(3000);
  await world.until(node.swarm.fetch(wantAll([image])), 30_000);
  const refused = ofKind(node, 'refused').filter(({ from }) => from === liar.peer);
  expect(refused.map(({ reason }) => reason)).toContain('bad');
  for (const { piece } of refused.filter(({ reason }) => reason === 'bad')) {
    expect(ofKind(node, 'received').find((one) => one.piece === piece)?.from).toBe(honest.peer);
  }
});

test('what is read from the origin has nobody it came from, and the wait for the budget is told apart from the read', async () => {
  world = createMemoryWorld(3);
  const limit = totalBytes([image]) / 4;
  const options = { originBytesPerSecond: limit, budget: { joinMs: 0 } };
  const node = await add('node', { knows: [image], options });
  await world.clock.advance(3000);
  const origin: PieceSource = {
    kind: 'origin',
    covers: () => true,
    async *readPieces(_id, wants, { onBytes } = {}) {
      for (const { piece } of wants) {
        await world.clock.sleep(5);
        onBytes?.(1);
        await world.clock.sleep(5);
        const bytes = image.bytes.subarray(piece * 4 * CHUNK_BYTES, (piece + 1) * 4 * CHUNK_BYTES);
        yield verifyPiece(descriptor, piece, fullMask(descriptor, piece), bytes);
      }
    },
  };
  await world.until(node.swarm.fetch(wantAll([image]), { lastResort: origin }), 30_000);
  const pieces = ofKind(node, 'received');
  expect(pieces).toHaveLength(descriptor.pieceCount);
  for (const one of pieces) {
    expectInOrder(one);
    expect(one).toMatchObject({ source: 'origin', from: undefined });
    const readMs = (one.wholeAtMs ?? 0) - one.askedAtMs - one.waitedMs;
    expect(readMs).toBeGreaterThanOrEqual(9.9);
    expect(readMs).toBeLessThan(11);
    expect((one.firstByteAtMs ?? 0) - one.askedAtMs - one.waitedMs).toBeLessThan(6);
  }
  expect(pieces.some(({ waitedMs }) => waitedMs > 50)).toBe(true);
});

test('pieces that no request brought have appeared', async () => {
  world = createMemoryWorld(4);
  const node = await add('node', { knows: [image] });
  const bytes = image.bytes.subarray(0, 4 * CHUNK_BYTES);
  await node.store.writePiece(verifyPiece(descriptor, 0, fullMask(descriptor, 0), bytes));
  expect(node.events).toEqual([{ kind: 'appeared', pack, piece: 0, atMs: world.clock.now() }]);
});
