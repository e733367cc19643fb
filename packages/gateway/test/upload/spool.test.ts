import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@quarry/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSpool, type Spool, type SpoolOptions } from '../../src/upload/spool.ts';

const MIB = 2 ** 20;
let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quarry-spool-'));
  directory = join(parent, 'spool');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

function open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
  return openSpool({ logger: silentLogger }, { directory, maxBytes: 64 * MIB, reserveBytes: 0, ...options });
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  for await (const block of bytes) blocks.push(block);
  return Buffer.concat(blocks);
}

describe('a spool', () => {
  test('is for its user alone, and shows nothing of what it holds', async () => {
    const spool = await open();
    const file = await spool.create(undefined);
    await file.append(Buffer.alloc(MIB));
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect(await readdir(directory)).toEqual([]); // so it is gone with its process, however that ends
    await file.release();
    expect(spool.usedBytes).toBe(0);
  });

  test('removes what a process left that was killed while it opened a file, and nothing else', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'upload-4711-0.spool'), 'left over');
    await writeFile(join(directory, 'notes.txt'), 'not ours');
    await open();
    expect(await readdir(directory)).toEqual(['notes.txt']);
  });

  test('gives each reader everything, however early or late it comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 12 }), async (sizes) => {
        const file = await (await open()).create(undefined);
        const early = readAll(file.read());
        for (const [i, size] of sizes.entries()) await file.append(Buffer.alloc(size, i + 1));
        const between = readAll(file.read());
        file.end();
        const expected = Buffer.concat(sizes.map((size, i) => Buffer.alloc(size, i + 1)));
        for (const seen of [await early, await between, await readAll(file.read())])
          expect(seen.equals(expected)).toBe(true);
        await file.release();
      }),
      { numRuns: 25 },
    );
  });

  test('lets nobody take a part for the whole', async () => {
    const file = await (await open()).create(undefined);
    await file.append(Buffer.alloc(10));
    const reading = readAll(file.read());
    const failed = expect(reading).rejects.toThrow('the client left');
    file.fail(new Error('the client left'));
    await failed;
    await expect(readAll(file.read())).rejects.toThrow('the client left');
    await file.release();
  });

  test('that is released ends its readers, and gives its room to others', async () => {
    const spool = await open({ maxBytes: 20 * MIB });
    const file = await spool.create(20 * MIB);
    await file.append(Buffer.alloc(10));
    const reading = expect(readAll(file.read())).rejects.toMatchObject({ code: 'GATEWAY_NO_SPOOL' });
    await expect(spool.create(1)).rejects.toMatchObject({ code: 'GATEWAY_NO_SPOOL' });
    await file.release();
    await reading;
    await (await spool.create(20 * MIB)).release();
  });

  test('holds no more than it may, and keeps what it has', async () => {
    const spool = await open({ maxBytes: 16 * MIB });
    const file = await spool.create(undefined);
    await file.append(Buffer.alloc(16 * MIB, 7));
    await expect(file.append(Buffer.alloc(1))).rejects.toMatchObject({ code: 'GATEWAY_NO_SPOOL' });
    file.end();
    expect((await readAll(file.read())).length).toBe(16 * MIB);
    await file.release();
  });

  test('leaves the file system what it must', async () => {
    const spool = await open({ reserveBytes: Number.MAX_SAFE_INTEGER });
    await expect(spool.create(1)).rejects.toMatchObject({ code: 'GATEWAY_NO_SPOOL' });
    expect(spool.usedBytes).toBe(0);
  });

  test('that cannot be made says so', async () => {
    await writeFile(join(parent, 'file'), '');
    await expect(open({ directory: join(parent, 'file', 'spool') })).rejects.toMatchObject({
      code: 'GATEWAY_NO_SPOOL',
    });
  });
});
