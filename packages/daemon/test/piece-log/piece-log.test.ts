import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, packIdFrom } from '@quarry/content';
import { createVirtualClock, silentLogger } from '@quarry/runtime';
import type { VirtualClock } from '@quarry/runtime';
import type { PeerId, ReceivedPiece } from '@quarry/swarm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PieceLogLine } from '../../src/piece-log/log-line.ts';
import { openPieceLog } from '../../src/piece-log/piece-log.ts';
import type { PieceLog } from '../../src/piece-log/piece-log.ts';

const pack = packIdFrom(digestOf(new Uint8Array(1)));
const received: ReceivedPiece = {
  kind: 'received',
  pack,
  piece: 7,
  source: 'peer',
  from: 'somebody' as PeerId,
  plainBytes: 65_536,
  wireBytes: 40_000,
  duplicateBytes: 0,
  isHedge: false,
  isLate: false,
  askedAtMs: 10.04,
  firstByteAtMs: 12,
  wholeAtMs: 20,
  verifiedAtMs: 21,
  presentAtMs: 23.5,
  waitedMs: 0,
};
let directory: string;
let clock: VirtualClock;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'piece-log-'));
  clock = createVirtualClock();
});
afterEach(() => rm(directory, { recursive: true }));

async function linesOf(
  use: (log: PieceLog) => void,
  role: 'node' | 'seeder' = 'node',
): Promise<readonly PieceLogLine[]> {
  const path = join(directory, 'pieces');
  const options = { path, node: 'me', role, zone: 'a', epochMs: 1_700_000_000_000 };
  const log = await openPieceLog({ clock, logger: silentLogger }, options);
  use(log);
  await log.close();
  const [start, ...lines] = (await readFile(path, 'utf8')).trim().split('\n');
  expect(JSON.parse(start ?? '')).toMatchObject({ line: 'start', node: 'me', role, zone: 'a' });
  return lines.map((line) => JSON.parse(line) as PieceLogLine);
}

describe('the piece log', () => {
  it('says of a piece where it came from and when, in tenths of Unix milliseconds, and no more than there is to say', async () => {
    expect(await linesOf(({ observe }) => observe(received))).toEqual([
      {
        line: 'piece',
        pack,
        piece: 7,
        source: 'peer',
        from: 'somebody',
        asked: 1_700_000_000_010,
        first: 1_700_000_000_012,
        whole: 1_700_000_000_020,
        verified: 1_700_000_000_021,
        present: 1_700_000_000_023.5,
        plain: 65_536,
        wire: 40_000,
      },
    ]);
  });

  it('says so when a piece was a hedge, late, a duplicate, or waited for its turn at the origin', async () => {
    const odd = { ...received, isHedge: true, isLate: true, duplicateBytes: 65_536, waitedMs: 3.21 };
    const [line] = await linesOf(({ observe }) => observe(odd));
    expect(line).toMatchObject({ hedge: true, late: true, duplicate: 65_536, waited: 3.2 });
  });

  it('names each piece once as told: with the first message after it came', async () => {
    const lines = await linesOf(({ observe }) => {
      observe(received);
      observe({ kind: 'appeared', pack, piece: 8, atMs: 30 });
      observe({ kind: 'told', pack, atMs: 31 });
      observe({ kind: 'told', pack, atMs: 32 });
      observe({ ...received, piece: 9 });
      observe({ kind: 'told', pack, atMs: 33 });
    });
    const told = lines.filter((line) => line.line === 'told');
    expect(told.map(({ at, pieces }) => ({ at, pieces }))).toEqual([
      { at: 1_700_000_000_031, pieces: [7, 8] },
      { at: 1_700_000_000_033, pieces: [9] },
    ]);
  });

  it('does not remember without end what nobody is told of', async () => {
    const other = packIdFrom(digestOf(new Uint8Array(2)));
    const lines = await linesOf(({ observe }) => {
      observe({ kind: 'appeared', pack: other, piece: 1, atMs: 1 });
      for (let i = 0; i < 65_536; i += 1) observe({ kind: 'appeared', pack, piece: i, atMs: 1 });
      observe({ kind: 'told', pack: other, atMs: 2 });
    });
    expect(lines.filter((line) => line.line === 'told')).toEqual([]);
  });

  it('tells of a fetch when it begins and how it ended', async () => {
    await clock.advance(500);
    const lines = await linesOf((log) => {
      log.fetchBegan('image', 'gateway');
      const bytesBySource = { local: 1, peer: 2, seeder: 3, origin: 4 };
      log.fetchEnded({ image: 'image', via: 'gateway', durationMs: 400, isOk: true, bytesBySource });
      log.fetchEnded({ image: 'image', via: 'file', durationMs: 1, isOk: false, reason: 'SWARM_NO_SOURCE' });
    });
    expect(lines).toMatchObject([
      { line: 'fetch', image: 'image', via: 'gateway' },
      { line: 'fetched', ok: true, local: 1, peer: 2, seeder: 3, origin: 4 },
      { line: 'fetched', ok: false, why: 'SWARM_NO_SOURCE' },
    ]);
    const [began, ended] = lines;
    if (began?.line !== 'fetch' || ended?.line !== 'fetched') throw new Error('unreachable');
    expect(ended.at).toBe(began.at);
    expect(ended.began).toBe(began.at - 400);
  });
});
