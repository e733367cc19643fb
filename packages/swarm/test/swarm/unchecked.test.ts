// Pieces that leave as they are kept, unhashed: what disks have changed, and who lies with that.
import type { PackStore } from '@quarry/content';
import { hasChunk } from '@quarry/content';
import { afterEach, expect, test, vi } from 'vitest';
import { protocols } from '../../src/protocol/protocol-names.ts';
import { CHUNK_BYTES, contentOf, createMemoryWorld, isPiece, makePack, totalBytes, wantAll } from './memory-world.ts';
import type { MemoryWorld, NodeChoice, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(512, 1); // 128 pieces of 4 chunks
const { descriptor } = image;
const holding: NodeChoice = { holds: [image] };
/** As long as this a piece is on the wire, however short it is, or it is a refusal. */
const PIECE_BYTES = 100;

/** A disk that has changed a bit of one chunk since it was written. */
const flippingIn =
  (chunk: number): ((store: PackStore) => PackStore) =>
  (store) => {
    const flip = (first: number, count: number, bytes: Uint8Array): void => {
      if (chunk < first || chunk >= first + count) return;
      const at = (chunk - first) * CHUNK_BYTES + 7;
      bytes[at] = (bytes[at] ?? 0) ^ 4;
    };
    return {
      ...store,
      async readStored(pack, piece, options) {
        const stored = await store.readStored(pack, piece, options);
        flip(piece * descriptor.chunksPerPiece, descriptor.chunksPerPiece, stored.bytes);
        return stored;
      },
      async readChunks(pack, first, count, options) {
        const bytes = await store.readChunks(pack, first, count, options);
        flip(first, count, bytes);
        return bytes;
      },
    };
  };

function spoilt(answer: Uint8Array): Uint8Array {
  const bytes = answer.slice();
  bytes[50] = (bytes[50] ?? 0) ^ 1;
  return bytes;
}

async function asking(...others: readonly TestNode[]): Promise<TestNode> {
  const asker = await world.add('asker', { bootstrap: others, knows: [image] });
  await world.clock.advance(3000);
  return asker;
}

const bannedBy = ({ swarm }: TestNode): string[] => swarm.status().banned.map(({ peer }) => peer);

async function expectWhole(node: TestNode): Promise<void> {
  expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
}

test('a sender whose disk has changed a bit is asked once more, finds it, drops the chunk and is banned by nobody', async () => {
  world = createMemoryWorld(1);
  const chunk = 5;
  const holder = await world.add('holder', { ...holding, wrapStore: flippingIn(chunk) });
  const asker = await asking(holder);
  const fetching = asker.swarm.fetch(wantAll([image]));
  fetching.catch(() => {});
  await world.clock.advance(5000);
  const held = holder.store.present(descriptor.id);
  expect(held && hasChunk(held, chunk)).toBe(false);
  const other = await world.add('other', { ...holding, bootstrap: [holder, asker] });
  const report = await world.until(fetching, 60_000);
  await expectWhole(asker);
  expect([bannedBy(asker), bannedBy(holder), bannedBy(other)]).toEqual([[], [], []]);
  expect(report.badChunks).toBe(0);
  expect(report.duplicateBytes).toBeGreaterThanOrEqual(descriptor.chunksPerPiece * CHUNK_BYTES);
});

test('who lies only where it need not look costs what was under way, and is asked for checked pieces from then on', async () => {
  world = createMemoryWorld(2);
  let lies = 0;
  const tamper = (protocol: string, answer: Uint8Array): Uint8Array => {
    if (protocol !== protocols.uncheckedPiece || answer.length < PIECE_BYTES) return answer;
    lies += 1;
    return spoilt(answer);
  };
  const liar = await world.add('liar', { ...holding, link: { tamper } });
  const asker = await asking(liar);
  const report = await world.until(asker.swarm.fetch(wantAll([image])), 60_000);
  await expectWhole(asker);
  expect(bannedBy(asker)).toEqual([]);
  expect(lies).toBeGreaterThan(0);
  expect(lies).toBeLessThan(descriptor.pieceCount / 4);
  expect(report.duplicateBytes).toBeLessThan(totalBytes([image]) / 4);
  // To come again makes nobody forget.
  const liesBefore = lies;
  liar.network.hangUp(asker.peer);
  await world.clock.advance(3000);
  await asker.store.dropChunks(descriptor.id, { chunkCount: 512, bits: new Uint8Array(64).fill(255) });
  await asker.network.dial(liar.peer, []);
  await world.until(asker.swarm.fetch(wantAll([image])), 60_000);
  await expectWhole(asker);
  expect(lies).toBe(liesBefore);
});

test('who lies when it has been told to look is banned, and nothing of it is kept', async () => {
  world = createMemoryWorld(3);
  const tamper = (protocol: string, answer: Uint8Array): Uint8Array =>
    isPiece(protocol) && answer.length >= PIECE_BYTES ? spoilt(answer) : answer;
  const liar = await world.add('liar', { ...holding, link: { tamper } });
  const honest = await world.add('honest', { ...holding, bootstrap: [liar] });
  const asker = await asking(liar, honest);
  await world.until(asker.swarm.fetch(wantAll([image])), 60_000);
  await expectWhole(asker);
  expect(bannedBy(asker)).toEqual(['liar']);
});

test('an older build, which hashes all that it sends, is given no second chance', async () => {
  world = createMemoryWorld(4);
  let lies = 0;
  const tamper = (protocol: string, answer: Uint8Array): Uint8Array => {
    if (!isPiece(protocol) || answer.length < PIECE_BYTES) return answer;
    lies += 1;
    return spoilt(answer);
  };
  const liar = await world.add('liar', { ...holding, link: { tamper } });
  const never = (): never => {
    throw new Error('never called');
  };
  liar.network.handle(protocols.uncheckedPiece, { maxRequestBytes: 0 }, never)(); // the handler is gone with this
  const honest = await world.add('honest', { ...holding, bootstrap: [liar] });
  const asker = await asking(liar, honest);
  const report = await world.until(asker.swarm.fetch(wantAll([image])), 60_000);
  await expectWhole(asker);
  expect(bannedBy(asker)).toEqual(['liar']);
  expect(lies).toBeGreaterThan(0);
  expect(report.badChunks).toBeGreaterThan(0);
});
