import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageRef, type Origin } from '@quarry/content';
import { createMemoryOrigin, type MemoryOrigin } from '@quarry/content/memory';
import { systemClock } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGlanceStoreOrigin } from '../src/index.ts';
import { glanceId } from './support/glance-like.ts';
import { makeScratchDirectory, readAll } from './support/scratch.ts';

let scratch: Awaited<ReturnType<typeof makeScratchDirectory>>;
let records: MemoryOrigin;
let origin: Origin;

beforeEach(async () => {
  scratch = await makeScratchDirectory();
  records = createMemoryOrigin();
  origin = createGlanceStoreOrigin({ clock: systemClock, records }, { directory: scratch.path });
});

afterEach(async () => {
  await origin.close();
  await scratch.remove();
});

const BYTES = new TextEncoder().encode('granite, basalt, gneiss');

/** What Glance says, and what lies in its store. */
async function put(number: number, recorded: Uint8Array | undefined, stored: Uint8Array | undefined): Promise<string> {
  const id = glanceId(number);
  if (recorded) records.put(imageRef(id), recorded);
  if (stored) await writeFile(join(scratch.path, id), stored);
  return id;
}

async function expectCode(work: Promise<unknown>, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code });
}

describe("Glance's file store", () => {
  test('takes from the record what the file does not tell', async () => {
    const ref = imageRef(await put(1, BYTES, BYTES));
    const image = await origin.describe(ref);
    const record = await records.describe(ref);
    expect(image).toMatchObject({ name: record.name, hash: record.hash, imageBytes: BYTES.length });
    expect((await readAll(origin.open(image, { offset: 3 }))).toString()).toBe('nite, basalt, gneiss');
  });

  test('a file that is shorter than Glance says is truncated', async () => {
    await expectCode(origin.describe(imageRef(await put(1, BYTES, BYTES.subarray(1)))), 'ORIGIN_TRUNCATED');
  });

  test("a file that is longer than Glance says is another's", async () => {
    await expectCode(origin.describe(imageRef(await put(1, BYTES.subarray(1), BYTES))), 'ORIGIN_CHANGED');
  });

  test('an image without a file has no data', async () => {
    await expectCode(origin.describe(imageRef(await put(1, BYTES, undefined))), 'ORIGIN_NO_DATA');
  });

  test('a file that Glance does not know is not found', async () => {
    await expectCode(origin.describe(imageRef(await put(1, undefined, BYTES))), 'ORIGIN_NOT_FOUND');
  });

  test('lists what is whole and known, and only files that are called by an id', async () => {
    await put(1, BYTES, BYTES);
    await put(2, BYTES, BYTES.subarray(1));
    await put(3, BYTES.subarray(1), BYTES);
    await put(4, BYTES, undefined);
    await put(5, undefined, BYTES);
    await writeFile(join(scratch.path, 'lost+found'), BYTES);
    await mkdir(join(scratch.path, glanceId(6)));
    const refs: string[] = [];
    for await (const { ref } of origin.list()) refs.push(ref);
    expect(refs).toEqual([glanceId(1)]);
  });

  test('hands out nothing that is not called by an id, whatever lies there', async () => {
    await writeFile(join(scratch.path, 'image.raw'), BYTES);
    for (const name of ['image.raw', `../${glanceId(1)}`, `${glanceId(1)}/..`]) {
      await expectCode(origin.describe(imageRef(name)), 'ORIGIN_NOT_FOUND');
    }
  });

  test('does not say that an image can be read when Glance cannot be asked', async () => {
    const ref = imageRef(await put(1, BYTES, BYTES));
    await records.close();
    await expectCode(origin.describe(ref), 'ORIGIN_CLOSED');
  });
});
