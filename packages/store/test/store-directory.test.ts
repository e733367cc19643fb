import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { samplePack } from '@quarry/content/conformance';
import { createDiskStore } from '@quarry/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startChild } from './processes/child.ts';
import { deps } from './temporary-store.ts';

let parent: string;
let directory: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quarry-directory-'));
  directory = join(parent, 'store');
});
afterEach(async () => {
  await chmod(parent, 0o700);
  await rm(parent, { recursive: true, force: true });
});

describe('the directory of a store', () => {
  test('is made where it is missing, for its owner alone', async () => {
    const store = await createDiskStore(deps, { directory: join(directory, 'below') });
    const pack = samplePack({ seed: 1 });
    await store.packs.addPack(pack.descriptor);
    await store.packs.writePiece(pack.piece(0));
    const modes = new Set<string>();
    for (const name of await readdir(join(directory, 'below'), { recursive: true })) {
      if (name.startsWith('index/')) continue; // LevelDB's own files; their directory is closed to others
      const { mode } = await stat(join(directory, 'below', name));
      modes.add((mode & 0o7777777).toString(8));
    }
    await store.close();
    expect([...modes].sort()).toEqual(['100600', '40700']);
  });

  test('that was open to others is closed to them', async () => {
    await mkdir(directory, { mode: 0o755 });
    await (await createDiskStore(deps, { directory })).close();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  test('that is held by another process is refused, naming that process', async () => {
    const child = startChild('./hold-store.ts', [directory]);
    for await (const line of child.lines) if (line === 'open') break;
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: `the store in ${directory} is in use by process ${child.process.pid}: stop it, or choose another directory`,
      details: { directory, pid: child.process.pid },
    });
    child.process.stdin?.end();
    expect(await child.closed).toEqual({ code: 0, errors: '' });
    await (await createDiskStore(deps, { directory })).close();
  });

  test('whose holder was killed is free at once', async () => {
    const child = startChild('./hold-store.ts', [directory]);
    for await (const line of child.lines) if (line === 'open') break;
    child.process.kill('SIGKILL');
    await child.closed;
    await (await createDiskStore(deps, { directory })).close();
  });

  test('cannot be opened twice by one process either', async () => {
    const store = await createDiskStore(deps, { directory });
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      details: { pid: process.pid },
    });
    await store.close();
  });

  test('of a newer format is refused and left as it is', async () => {
    await (await createDiskStore(deps, { directory })).close();
    await writeFile(join(directory, 'FORMAT'), 'quarry-store 7\n');
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({
      code: 'STORE_VERSION',
      details: { directory, found: 7, known: 2 },
    });
    expect(await readFile(join(directory, 'FORMAT'), 'utf8')).toBe('quarry-store 7\n');
  });

  test('of an older format is opened, and marked so that the older version does not take it any more', async () => {
    await (await createDiskStore(deps, { directory })).close();
    await writeFile(join(directory, 'FORMAT'), 'quarry-store 1\n');
    await (await createDiskStore(deps, { directory })).close();
    expect(await readFile(join(directory, 'FORMAT'), 'utf8')).toBe('quarry-store 2\n');
  });

  test('of an older format that another holds is left as it is', async () => {
    const store = await createDiskStore(deps, { directory });
    await writeFile(join(directory, 'FORMAT'), 'quarry-store 1\n');
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    expect(await readFile(join(directory, 'FORMAT'), 'utf8')).toBe('quarry-store 1\n');
    await store.close();
  });

  test('with a mark that is not ours is refused', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'FORMAT'), 'something else');
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({ code: 'STORE_UNUSABLE' });
  });

  test('that holds something else is refused and left as it is', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'thesis.tex'), 'important');
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({
      code: 'STORE_UNUSABLE',
      message: `${directory} holds something else (thesis.tex): give the store an empty directory`,
    });
    expect(await readdir(directory)).toEqual(['thesis.tex']);
  });

  test('that was being made when its process was killed is made again', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'FORMAT.new'), 'quarry-st');
    await (await createDiskStore(deps, { directory })).close();
    expect(await readFile(join(directory, 'FORMAT'), 'utf8')).toBe('quarry-store 2\n');
  });

  test('that is a file, or lies below one, is refused', async () => {
    await writeFile(directory, '');
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({
      code: 'STORE_UNUSABLE',
      message: `${directory} is a file: name a directory`,
    });
    await expect(createDiskStore(deps, { directory: join(directory, 'below') })).rejects.toMatchObject({
      code: 'STORE_UNUSABLE',
    });
  });

  test('that may not be written is refused', async () => {
    await chmod(parent, 0o500);
    await asOrdinaryUser(async () => {
      await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({
        code: 'STORE_UNUSABLE',
        message: `${directory} may not be written by this user: change its owner, or choose another`,
      });
    });
  });

  test('whose index cannot be read any more is refused with what to do', async () => {
    await (await createDiskStore(deps, { directory })).close();
    await writeFile(join(directory, 'index', 'CURRENT'), 'MANIFEST-999999\n');
    await expect(createDiskStore(deps, { directory })).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  });
});

describe('the options of a store', () => {
  test.for([
    [{ directory: '' }, 'a store needs a directory'],
    [{ directory: '/x', syncBites: 1 }, 'a store has no option syncBites'],
    [{ directory: '/x', syncBytes: -1 }, 'syncBytes is a number from 0, not -1'],
    [{ directory: '/x', syncDelayMs: Number.NaN }, 'syncDelayMs is a number from 0, not NaN'],
  ] as const)('%j are refused', async ([options, message]) => {
    await expect(createDiskStore(deps, options)).rejects.toThrow(new TypeError(message));
  });
});

/** The administrator may write everywhere: steps down for a moment. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  const nobody = 65534;
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(nobody);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
