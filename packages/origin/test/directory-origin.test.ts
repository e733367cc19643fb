import { execFileSync } from 'node:child_process';
import { mkdir, open, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageRef, type Origin, type OriginImage } from '@quarry/content';
import { systemClock } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDirectoryOrigin } from '../src/index.ts';
import { makeScratchDirectory, readAll } from './support/scratch.ts';

const MIB = 2 ** 20;

let scratch: Awaited<ReturnType<typeof makeScratchDirectory>>;
let directory: string;
let origin: Origin;

beforeEach(async () => {
  scratch = await makeScratchDirectory();
  directory = join(scratch.path, 'images');
  await mkdir(directory);
  origin = createDirectoryOrigin({ clock: systemClock }, { directory });
});

afterEach(async () => {
  await origin.close();
  await scratch.remove();
});

const at = (name: string): string => join(directory, name);

async function names(): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of origin.list()) found.push(name);
  return found;
}

async function imageOf(name: string, bytes: Uint8Array): Promise<OriginImage> {
  await writeFile(at(name), bytes);
  return await origin.describe(imageRef(name));
}

async function expectCode(work: Promise<unknown>, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code });
}

describe('a directory of images', () => {
  test('is listed in order, without what is hidden, nested, special, or a link to elsewhere', async () => {
    await writeFile(join(scratch.path, 'secret'), 'secret');
    await writeFile(at('b.raw'), 'b');
    await writeFile(at('a.qcow2'), 'a');
    await writeFile(at('.a.qcow2.part'), 'a');
    await mkdir(at('nested'));
    await writeFile(join(at('nested'), 'c.raw'), 'c');
    await symlink('a.qcow2', at('latest'));
    await symlink('../secret', at('leak'));
    await symlink('nested/c.raw', at('deep'));
    await symlink('nowhere', at('dangling'));
    await symlink('loop', at('loop'));
    execFileSync('mkfifo', [at('fifo')]);
    expect(await names()).toEqual(['a.qcow2', 'b.raw', 'latest']);
    for (const name of [
      'leak',
      'deep',
      'dangling',
      'loop',
      'fifo',
      'nested',
      '.a.qcow2.part',
      'nested/c.raw',
      '../secret',
    ]) {
      await expectCode(origin.describe(imageRef(name)), 'ORIGIN_NOT_FOUND');
    }
  });

  test('takes the format from the name, where the name tells', async () => {
    expect((await imageOf('a.qcow2', new Uint8Array(1))).format).toBe('qcow2');
    expect((await imageOf('b.RAW', new Uint8Array(1))).format).toBe('raw');
    expect((await imageOf('c.img', new Uint8Array(1))).format).toBeUndefined();
    expect((await imageOf('qcow2', new Uint8Array(1))).format).toBeUndefined();
  });

  test('passes over names that nobody could say', async () => {
    const unsayable = Buffer.concat([Buffer.from(directory), Buffer.from('/\xff\xfe', 'latin1')]);
    await writeFile(unsayable, 'x');
    await writeFile(at('line\nbreak'), 'x');
    await writeFile(at('fine'), 'x');
    expect(await names()).toEqual(['fine']);
  });

  test('that is not there can be retried: it may not be mounted yet', async () => {
    const absent = createDirectoryOrigin({ clock: systemClock }, { directory: at('absent') });
    await expect(absent.describe(imageRef('a'))).rejects.toMatchObject({ code: 'ORIGIN_UNAVAILABLE', canRetry: true });
    const listing = (async () => {
      for await (const _ of absent.list());
    })();
    await expect(listing).rejects.toMatchObject({ code: 'ORIGIN_UNAVAILABLE', canRetry: true });
  });

  test('has an image of no bytes, if it is one', async () => {
    const image = await imageOf('empty', new Uint8Array(0));
    expect(image.imageBytes).toBe(0);
    expect(await readAll(origin.open(image))).toHaveLength(0);
  });

  test('a link that is turned to another image is another version', async () => {
    await writeFile(at('a'), 'one');
    await writeFile(at('b'), 'two');
    await symlink('a', at('latest'));
    const image = await origin.describe(imageRef('latest'));
    await symlink('b', at('.new'));
    execFileSync('mv', ['-T', at('.new'), at('latest')]);
    await expectCode(readAll(origin.open(image)), 'ORIGIN_CHANGED');
  });
});

describe('a file that changes while it is read', () => {
  test('by being cut off is truncated', async () => {
    const image = await imageOf('a', Buffer.alloc(4 * MIB, 1));
    const reading = (async () => {
      for await (const _ of origin.open(image)) await truncate(at('a'), 2 * MIB);
    })();
    await expectCode(reading, 'ORIGIN_TRUNCATED');
  });

  test('by being written to in place is a changed image', async () => {
    const image = await imageOf('a', Buffer.alloc(4 * MIB, 1));
    const file = await open(at('a'), 'r+');
    const reading = (async () => {
      for await (const _ of origin.open(image)) await file.write(Buffer.from('other'), 0, 5, 3 * MIB);
    })();
    await expectCode(reading, 'ORIGIN_CHANGED');
    await file.close();
  });

  test('by growing is a changed image', async () => {
    const image = await imageOf('a', Buffer.alloc(4 * MIB, 1));
    const reading = (async () => {
      for await (const _ of origin.open(image)) await truncate(at('a'), 5 * MIB);
    })();
    await expectCode(reading, 'ORIGIN_CHANGED');
  });

  test('by being removed is read to its end by who has it open', async () => {
    const image = await imageOf('a', Buffer.alloc(4 * MIB, 1));
    let received = 0;
    for await (const buffer of origin.open(image)) {
      if (received === 0) execFileSync('rm', [at('a')]);
      received += buffer.length;
    }
    expect(received).toBe(4 * MIB);
  });
});
