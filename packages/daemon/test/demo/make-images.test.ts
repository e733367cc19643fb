import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeImages, type MakeImagesProgress } from '../../src/demo/make-images.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const zeros = Buffer.alloc(64 * KiB);

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quarry-images-'));
});
afterAll(() => rm(root, { recursive: true }));

async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 32);
}

/** The 64 KiB of a file one after the other; all-zero ones are ''. */
async function chunksOf(path: string): Promise<string[]> {
  const bytes = await readFile(path);
  return Array.from({ length: Math.ceil(bytes.length / zeros.length) }, (_, i) => {
    const chunk = bytes.subarray(i * zeros.length, (i + 1) * zeros.length);
    return chunk.equals(zeros) ? '' : createHash('sha256').update(chunk).digest('base64');
  });
}

describe('making images', () => {
  test('the same seed gives the same bytes, here and everywhere', async () => {
    const dir = join(root, 'golden');
    const made = await makeImages({ dir, seed: 5, baseBytes: 2 * MiB, snapshots: 2, changedFraction: 0.1 });
    const seen = await Promise.all(
      made.map(async ({ name, path }) => [name, (await stat(path)).size, await digestOf(path)]),
    );
    expect(seen).toEqual([
      ['base.qcow2', 2424832, 'b166a470a232c835b78f4451990c24b7'],
      ['vm-01.qcow2', 2752512, '22727450da94f97ca84f3359982a773b'],
      ['vm-02.qcow2', 2752512, 'b403c9581063a086953f0a30c13aac71'],
    ]);
    expect(made.map(({ name, path, sizeBytes, format }) => [name, path, sizeBytes, format])).toEqual(
      seen.map(([name, sizeBytes]) => [name, join(dir, String(name)), sizeBytes, 'qcow2']),
    );
  });

  test('another seed gives other bytes everywhere', async () => {
    const [one] = await makeImages({ dir: join(root, 'seed1'), seed: 1, baseBytes: MiB, snapshots: 0, format: 'raw' });
    const [two] = await makeImages({ dir: join(root, 'seed2'), seed: 2, baseBytes: MiB, snapshots: 0, format: 'raw' });
    const held = new Set(await chunksOf(one?.path ?? ''));
    const both = (await chunksOf(two?.path ?? '')).filter((chunk) => chunk !== '' && held.has(chunk));
    expect(both).toEqual([]);
  });

  describe('a family of raw images of a base of 16 MiB and four snapshots', () => {
    let images: string[][] = [];
    let base: string[] = [];
    const dataClusters = 256;
    beforeAll(async () => {
      const made = await makeImages({
        dir: join(root, 'family'),
        seed: 3,
        baseBytes: 16 * MiB,
        snapshots: 4,
        changedFraction: 0.1,
        format: 'raw',
      });
      images = await Promise.all(made.map(({ path }) => chunksOf(path)));
      base = images[0] ?? [];
    });

    test('about half of the base’s disk is zeros', () => {
      expect(base.filter((chunk) => chunk !== '')).toHaveLength(dataClusters);
      expect(base.length).toBeGreaterThanOrEqual(2 * dataClusters);
      expect(base.length).toBeLessThan(2.5 * dataClusters);
    });

    test('a few percent of the base are there twice', () => {
      const twice = dataClusters - new Set(base.filter((chunk) => chunk !== '')).size;
      expect(twice).toBeGreaterThan(0);
      expect(twice / dataClusters).toBeLessThanOrEqual(0.04);
    });

    test('each snapshot has the asked part of its data for itself alone', () => {
      for (const [i, image] of images.entries()) {
        if (i === 0) continue;
        const elsewhere = new Set(images.flatMap((other, j) => (j === i ? [] : other)));
        const own = new Set(image.filter((chunk) => chunk !== '' && !elsewhere.has(chunk)));
        expect(own.size).toBe(Math.round(dataClusters * 0.1));
      }
    });

    test('each snapshot shares with two or more siblings what the base lacks', () => {
      const known = new Set(base);
      for (const image of images.slice(1)) {
        const sharing = images.slice(1).filter((other) => {
          const theirs = new Set(other);
          return other !== image && image.some((chunk) => !known.has(chunk) && theirs.has(chunk));
        });
        expect(sharing.length).toBeGreaterThanOrEqual(2);
      }
    });

    test('nothing that the base lacks is in all snapshots', () => {
      const known = new Set(base);
      const [first = [], ...others] = images.slice(1).map((image) => new Set(image));
      const inAll = [...first].filter((chunk) => !known.has(chunk) && others.every((other) => other.has(chunk)));
      expect(inAll).toEqual([]);
    });
  });

  test('in a qcow2 snapshot most of the base’s chunks lie elsewhere in the file than in the base', async () => {
    const [base, snapshot] = await makeImages({ dir: join(root, 'moved'), seed: 3, baseBytes: 16 * MiB, snapshots: 1 });
    const inBase = await chunksOf(base?.path ?? '');
    const inSnapshot = await chunksOf(snapshot?.path ?? '');
    const known = new Set(inBase);
    const shared = inSnapshot.flatMap((chunk, i) => (chunk !== '' && known.has(chunk) ? [i] : []));
    const moved = shared.filter((i) => inSnapshot[i] !== inBase[i]);
    expect(shared.length / inBase.length).toBeGreaterThan(0.9);
    expect(moved.length / shared.length).toBeGreaterThan(0.5);
  });

  test('with nothing changed, snapshots have nothing of their own', async () => {
    const made = await makeImages({
      dir: join(root, 'unchanged'),
      seed: 3,
      baseBytes: MiB,
      snapshots: 1,
      changedFraction: 0,
      format: 'raw',
    });
    const [base = '', snapshot = ''] = made.map(({ path }) => path);
    expect(await chunksOf(snapshot)).toEqual(await chunksOf(base));
  });

  test('raw images are sparse', async () => {
    const [base] = await makeImages({
      dir: join(root, 'sparse'),
      seed: 3,
      baseBytes: 8 * MiB,
      snapshots: 0,
      format: 'raw',
    });
    const { size, blocks } = await stat(base?.path ?? '');
    expect(size).toBe(base?.sizeBytes);
    expect(blocks * 512).toBeLessThan(0.6 * size);
  });

  test('progress ends at the total', async () => {
    const seen: MakeImagesProgress[] = [];
    const onProgress = (progress: MakeImagesProgress): number => seen.push(progress);
    await makeImages({ dir: join(root, 'progress'), seed: 3, baseBytes: 8 * MiB, snapshots: 2, onProgress });
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.map(({ doneBytes }) => doneBytes)).toEqual(
      seen.map(({ doneBytes }) => doneBytes).toSorted((a, b) => a - b),
    );
    expect(seen.at(-1)?.doneBytes).toBe(seen[0]?.totalBytes);
  });

  test.for([
    { seed: -1 },
    { seed: 0.5 },
    { baseBytes: 1000 },
    { snapshots: -1 },
    { snapshots: 1000 },
    { changedFraction: 0.9 },
    { changedFraction: Number.NaN },
  ])('%j is refused before anything is made', async (wrong) => {
    const dir = join(root, 'refused');
    await expect(makeImages({ dir, seed: 1, baseBytes: MiB, snapshots: 1, ...wrong })).rejects.toThrow(RangeError);
    await expect(stat(dir)).rejects.toThrow('ENOENT');
  });

  test('an abort half-way rejects with its reason and leaves no file', async () => {
    const dir = join(root, 'aborted');
    const abort = new AbortController();
    const onProgress = (): void => abort.abort(new Error('enough'));
    const making = makeImages({ dir, seed: 3, baseBytes: 16 * MiB, snapshots: 2, signal: abort.signal, onProgress });
    await expect(making).rejects.toThrow('enough');
    expect(await readdir(dir)).toEqual([]);
  });

  test('an image that cannot get its name leaves no half-made file, and what stood there before', async () => {
    const dir = join(root, 'blocked');
    await mkdir(join(dir, 'vm-01.qcow2', 'in-the-way'), { recursive: true });
    await expect(makeImages({ dir, seed: 3, baseBytes: MiB, snapshots: 2 })).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(dir)).toEqual(['base.qcow2', 'vm-01.qcow2']);
  });

  test('an earlier image of the same name stands until the new one is whole', async () => {
    const dir = join(root, 'replaced');
    await mkdir(dir);
    await writeFile(join(dir, 'base.qcow2'), 'earlier');
    const abort = new AbortController();
    const onProgress = (): void => abort.abort(new Error('enough'));
    const making = makeImages({ dir, seed: 3, baseBytes: 8 * MiB, snapshots: 0, signal: abort.signal, onProgress });
    await expect(making).rejects.toThrow('enough');
    expect(await readFile(join(dir, 'base.qcow2'), 'utf8')).toBe('earlier');
    const [base] = await makeImages({ dir, seed: 3, baseBytes: MiB, snapshots: 0 });
    expect((await stat(base?.path ?? '')).size).toBe(base?.sizeBytes);
  });

  test('a killed process leaves nothing under a final name, and the next run completes', async () => {
    const dir = join(root, 'killed');
    const child = fork(new URL('./make-images-and-die.ts', import.meta.url), [dir], { execArgv: [] });
    const signal = await new Promise((resolve) => child.once('exit', (_, name) => resolve(name)));
    expect(signal).toBe('SIGKILL');
    expect((await readdir(dir)).filter((name) => !name.startsWith('.'))).toEqual([]);
    expect((await readdir(dir)).length).toBe(3);
    await makeImages({ dir, seed: 3, baseBytes: MiB, snapshots: 2 });
    expect(await readdir(dir)).toEqual(['base.qcow2', 'vm-01.qcow2', 'vm-02.qcow2']);
  });
});
