import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, silentLogger, systemClock } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLineFile } from '../../src/piece-log/line-file.ts';

const lostLine = (lines: number): string => `lost ${lines}`;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'line-file-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('a file of lines', () => {
  it('has every line in order when it is closed, after those that were there', async () => {
    const path = join(directory, 'log');
    await writeFile(path, 'before\n');
    const file = await openLineFile({ clock: systemClock, logger: silentLogger }, { path, lostLine });
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'x'.repeat(i % 50)}`);
    for (const line of lines) file.add(line);
    await file.close();
    file.add('too late');
    expect((await readFile(path, 'utf8')).split('\n')).toEqual(['before', ...lines, '']);
  });

  it('is written a fifth of a second after a line, without more lines', async () => {
    const path = join(directory, 'log');
    const clock = createVirtualClock();
    const file = await openLineFile({ clock, logger: silentLogger }, { path, lostLine });
    file.add('one');
    expect(await readFile(path, 'utf8')).toBe('');
    await clock.advance(200);
    await file.close();
    expect(await readFile(path, 'utf8')).toBe('one\n');
  });

  it('keeps no more than its room, and says how many lines it lost', async () => {
    const path = join(directory, 'log');
    const deps = { clock: createVirtualClock(), logger: silentLogger };
    const file = await openLineFile(deps, { path, lostLine, maxWaiting: 30 });
    for (let i = 0; i < 10; i += 1) file.add('ten signs.');
    await file.close();
    expect(await readFile(path, 'utf8')).toBe('ten signs.\nten signs.\nten signs.\nlost 7\n');
  });

  it('hurts nobody when the disk is full, and complains once', async () => {
    const complaints: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void complaints.push(message) };
    const clock = createVirtualClock();
    const file = await openLineFile({ clock, logger }, { path: '/dev/full', lostLine });
    for (let i = 0; i < 3; i += 1) {
      file.add('x'.repeat(70_000));
      await clock.advance(200);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await file.close();
    expect(complaints).toEqual(['the piece log cannot be written: lines are lost']);
  });

  it('refuses a path that cannot be a file, naming the flag', async () => {
    const deps = { clock: systemClock, logger: silentLogger };
    await expect(openLineFile(deps, { path: directory, lostLine })).rejects.toMatchObject({
      code: 'DAEMON_FILE_UNUSABLE',
      message: expect.stringContaining('--piece-log'),
    });
  });
});
