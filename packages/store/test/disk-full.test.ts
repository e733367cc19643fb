import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startChild } from './processes/child.ts';

// A disk of 24 MiB in memory, mounted where only this process sees it. Takes no privileges where the kernel lets users have namespaces.
const onSmallDisk = [
  'unshare',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=24m tmpfs "$0" && exec "$@"',
];
interface Report {
  readonly withReserve: { readonly filled: { readonly pieces: number } };
  readonly withoutReserve: {
    readonly filled: { readonly pieces: number };
    readonly afterEviction: { readonly present: number };
  };
}

const [unshare = '', ...unshareOptions] = onSmallDisk;
const canMount = spawnSync(unshare, [...unshareOptions, tmpdir(), 'true']).status === 0;

test.skipIf(!canMount)(
  `a full disk is said to be full, loses nothing that was present, and is no matter once there is room${canMount ? '' : ' (skipped: this user may not mount a small disk to fill)'}`,
  { timeout: 60_000 },
  async () => {
    const mount = await mkdtemp(join(tmpdir(), 'quarry-full-'));
    try {
      const child = startChild('./fill-disk.ts', [mount], [...onSmallDisk, mount]);
      const said: string[] = [];
      for await (const line of child.lines) said.push(line);
      expect(await child.closed).toEqual({ code: 0, errors: '' });
      const { withReserve, withoutReserve } = JSON.parse(said.join('')) as Report;
      const { pieces } = withReserve.filled;
      expect(pieces).toBeGreaterThan(64);
      expect(withReserve).toEqual({
        filled: { code: 'STORE_DISK_FULL', pieces },
        staged: 'STORE_DISK_FULL',
        kept: 'done', // sync and pin live from the reserve
        full: { present: pieces * 4, right: pieces * 4 },
        evictedPacks: expect.any(Number),
        again: 'done',
        reopened: { present: 64, right: 64 },
        badChunks: [],
      });
      const { pieces: more } = withoutReserve.filled;
      expect(more).toBeGreaterThan(pieces);
      const left = withoutReserve.afterEviction;
      expect(left.present).toBeLessThan(more * 4);
      expect(withoutReserve).toEqual({
        filled: { code: 'STORE_DISK_FULL', pieces: more },
        synced: 'done',
        before: { present: more * 4, right: more * 4 },
        pinned: 'STORE_DISK_FULL',
        full: { present: more * 4, right: more * 4 },
        evictedPacks: expect.any(Number),
        afterEviction: { present: left.present, right: left.present },
        pinnedAgain: 'done',
        syncedAgain: 'done',
        writtenAgain: 'done',
        atClose: { present: left.present + 4, right: left.present + 4 },
        reopened: { present: left.present + 4, right: left.present + 4 },
        badChunks: [],
        lostPins: 0,
      });
    } finally {
      await rm(mount, { recursive: true, force: true });
    }
  },
);
