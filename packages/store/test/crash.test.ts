import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chunksOf, fullPieceMask, pieceMask } from '@quarry/content';
import type { PackStore } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { createSeededRandom } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import { expect, test } from 'vitest';
import { startChild } from './processes/child.ts';
import { CRASH_PACKS, crashPackOptions } from './processes/crash-packs.ts';
import { deps } from './temporary-store.ts';

const KILLS = 20;
const seed = Number(process.env.QUARRY_SEED ?? 20_260_101);

/** Presence by pack, in hex, as the killed process said it was durable. */
type Durable = Map<string, string>;

/** Lets a process work on the directory, kills it after `lineCount` lines of its output, and returns what must have survived. */
async function workUntilKilled(
  directory: string,
  childSeed: number,
  lineCount: number,
  durable: Durable,
  discarded: Set<string>,
): Promise<void> {
  const child = startChild('./write-until-killed.ts', [directory, String(childSeed)]);
  let left = lineCount;
  for await (const line of child.lines) {
    const [kind, ...rest] = line.split(' ');
    if (kind === 'absent') durable.delete(rest[0] ?? '');
    if (kind === 'discarded') discarded.add(rest[0] ?? '');
    if (kind === 'adding') discarded.delete(rest[0] ?? '');
    if (kind === 'durable') {
      durable.clear();
      for (const entry of rest) durable.set(...(entry.split(':') as [string, string]));
    }
    left -= 1;
    if (left === 0) child.process.kill('SIGKILL');
  }
  const { errors } = await child.closed;
  expect(errors).toBe('');
  expect(child.process.signalCode).toBe('SIGKILL');
}

test(`a process killed at ${KILLS} random instants leaves a store in which everything present is right, everything synced is present and nothing discarded is`, {
  timeout: 300_000,
}, async () => {
  const random = createSeededRandom(seed);
  const samples = Array.from({ length: CRASH_PACKS }, (_, i) => samplePack(crashPackOptions(i)));
  const directory = await mkdtemp(join(tmpdir(), 'quarry-crash-'));
  const durable: Durable = new Map();
  let discardedPacks = 0;
  let compared = 0;
  let framed = 0;
  try {
    for (let kill = 0; kill < KILLS; kill += 1) {
      const discarded = new Set<string>();
      await workUntilKilled(directory, seed + kill, 1 + Math.floor(random.next() * 120), durable, discarded);
      const store = await createDiskStore(deps, { directory });
      const { packs } = store;
      for (const [id, hex] of durable) {
        const bits = packs.present(
          samples.find(({ descriptor }) => descriptor.id === id)?.descriptor.id ?? never(),
        )?.bits;
        const missing = [...Buffer.from(hex, 'hex')].filter((byte, i) => byte & ~(bits?.[i] ?? 0));
        expect(missing, `kill ${kill}, seed ${seed}: synced chunks of ${id} are missing`).toEqual([]);
      }
      for (const sample of samples) {
        const { descriptor } = sample;
        const present = packs.present(descriptor.id);
        for (const index of present ? chunksOf(present) : []) {
          const bytes = await packs.readChunks(descriptor.id, index, 1);
          compared += 1;
          expect(
            Buffer.compare(bytes, sample.chunk(index)),
            `kill ${kill}, seed ${seed}: chunk ${index} is wrong`,
          ).toBe(0);
        }
        framed += await compareFrames(packs, sample, `kill ${kill}, seed ${seed}`);
      }
      const report = await packs.verify();
      expect(report.badChunks).toEqual([]);
      for (const { descriptor } of samples) {
        if (!discarded.has(descriptor.id)) continue;
        discardedPacks += 1;
        expect(packs.present(descriptor.id), `kill ${kill}, seed ${seed}: ${descriptor.id} is back`).toBeUndefined();
        expect(report.strayFiles.filter((path) => path.includes(descriptor.id))).toEqual([]);
      }
      await store.close();
    }
    expect(compared).toBeGreaterThan(500);
    expect(framed).toBeGreaterThan(50);
    expect(discardedPacks).toBeGreaterThan(5);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

/** Every piece that is kept as a frame is the frame that was written; returns how many there are. */
async function compareFrames(packs: PackStore, sample: SamplePack, message: string): Promise<number> {
  const { descriptor } = sample;
  const present = packs.present(descriptor.id);
  let frames = 0;
  for (let piece = 0; present && piece < descriptor.pieceCount; piece += 1) {
    if (pieceMask(present, piece, descriptor.chunksPerPiece) !== fullPieceMask(descriptor, piece)) continue;
    const { encoding, bytes } = await packs.readStored(descriptor.id, piece);
    const expected = encoding === 'zstd' ? sample.framed(piece).frame : sample.piece(piece).bytes;
    expect(Buffer.compare(bytes, expected), `${message}: piece ${piece} is wrong`).toBe(0);
    if (encoding === 'zstd') frames += 1;
  }
  return frames;
}

function never(): never {
  throw new Error('the process named a pack that it does not have');
}
