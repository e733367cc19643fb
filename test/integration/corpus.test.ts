// The corpus that other tests measure on is itself worth a look: made twice, read back, and as related as it says.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CorpusImage, makeCorpus } from '../corpus/make-corpus.ts';
import { missingTools } from '../corpus/missing-tools.ts';
import { uniqueBytes } from '../dedup/unique-chunks.ts';

const missing = missingTools();
let dir = '';
let images: CorpusImage[] = [];

beforeAll(async () => {
  if (missing.length > 0) return;
  dir = await mkdtemp(join(tmpdir(), 'quarry-corpus-'));
  images = await makeCorpus({ dir: join(dir, 'one'), scale: 0.5, seed: 1 });
});
afterAll(async () => {
  if (dir !== '') await rm(dir, { recursive: true });
});
beforeEach(({ skip }) =>
  skip(missing.length > 0, `not installed: ${missing.join(', ')} (Debian: qemu-utils, e2fsprogs)`),
);

const image = (name: string): string => join(dir, 'one', name);
const names = ['base', 'light', 'app', 'app2'];

describe('the corpus', () => {
  test('has each image raw and as qcow2, two of them compressed too, and nothing else', async () => {
    const expected = [
      ...names.flatMap((name) => [`${name}.raw`, `${name}.qcow2`]),
      'base.c.qcow2',
      'app.c.qcow2',
    ].toSorted();
    expect((await readdir(join(dir, 'one'))).toSorted()).toEqual(expected);
    expect(images.map(({ name }) => name).toSorted()).toEqual(expected);
  });

  test('is the same when it is made again, and another one with another seed', async () => {
    const digestsOf = (made: readonly CorpusImage[]): Promise<string[]> =>
      Promise.all(
        made.map(async ({ path }) =>
          createHash('sha256')
            .update(await readFile(path))
            .digest('hex'),
        ),
      );
    const again = await makeCorpus({ dir: join(dir, 'again'), scale: 0.5, seed: 1 });
    const other = await makeCorpus({ dir: join(dir, 'other'), scale: 0.5, seed: 2 });
    const digests = await digestsOf(images);
    expect(await digestsOf(again)).toEqual(digests);
    expect((await digestsOf(other)).filter((digest) => digests.includes(digest))).toEqual([]);
  });

  test.for(names)('%s.qcow2 holds what %s.raw is', (name) => {
    const compare = spawnSync('qemu-img', ['compare', image(`${name}.raw`), image(`${name}.qcow2`)], {
      encoding: 'utf8',
    });
    expect(compare.stdout).toContain('Images are identical.');
  });

  test('app.c.qcow2 is app.qcow2 compressed', () => {
    const map = JSON.parse(
      execFileSync('qemu-img', ['check', '--output=json', image('app.c.qcow2')], { encoding: 'utf8' }),
    );
    expect(map['compressed-clusters']).toBeGreaterThan(0.8 * map['allocated-clusters']);
    const compare = spawnSync('qemu-img', ['compare', image('app.qcow2'), image('app.c.qcow2')], { encoding: 'utf8' });
    expect(compare.stdout).toContain('Images are identical.');
  });

  test('who holds the base needs little for light, a fifth to a third for app, and of app2 little more than of app', async () => {
    const sizeOf = (name: string): number => images.find((each) => each.name === name)?.sizeBytes ?? 0;
    const part = async (held: string[], wanted: string): Promise<number> => {
      const { bytes } = await uniqueBytes(held.map(image), image(wanted), 'fixed-64k');
      return bytes / sizeOf(wanted);
    };
    const light = await part(['base.qcow2'], 'light.qcow2');
    const app = await part(['base.qcow2'], 'app.qcow2');
    const app2 = await part(['base.qcow2', 'app.qcow2'], 'app2.qcow2');
    expect(light).toBeGreaterThan(0.01);
    expect(light).toBeLessThan(0.1);
    expect(app).toBeGreaterThan(0.2);
    expect(app).toBeLessThan(0.33);
    expect(app2).toBeGreaterThan(0.02);
    expect(app2).toBeLessThan(0.15);
  });

  test('a tool that fails leaves nothing behind', async () => {
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    const target = join(dir, 'aborted');
    await expect(makeCorpus({ dir: target, scale: 0.5, seed: 1, signal: abort.signal })).rejects.toThrow();
    expect(await readdir(target)).toEqual([]);
  });
});
