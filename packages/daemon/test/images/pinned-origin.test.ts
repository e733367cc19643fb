import { imageRef } from '@quarry/content';
import { createMemoryOrigin } from '@quarry/content/memory';
import { expect, test } from 'vitest';
import { pinnedOrigin } from '../../src/images/pinned-origin.ts';

const REF = imageRef('vm-1');
const BYTES = Buffer.from('the bytes of an image');

async function subject() {
  const origin = createMemoryOrigin();
  origin.put(REF, BYTES);
  const { version: _, ...known } = await origin.describe(REF);
  let asked = 0;
  const counted = {
    ...origin,
    describe: (...args: Parameters<typeof origin.describe>) => {
      asked += 1;
      return origin.describe(...args);
    },
  };
  return { origin, asked: () => asked, pinned: pinnedOrigin(counted, known) };
}

async function read(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts).toString();
}

test('nothing is asked before the first byte is needed, and then once for all reads', async () => {
  const { pinned, asked } = await subject();
  expect(asked()).toBe(0);
  const { origin, described } = pinned;
  expect(
    await Promise.all([read(origin.open(described)), read(origin.open(described, { offset: 4, length: 5 }))]),
  ).toEqual([BYTES.toString(), 'bytes']);
  expect(asked()).toBe(1);
});

test('an image that is another one by then gives no byte', async () => {
  const { pinned, origin } = await subject();
  origin.put(REF, Buffer.from('another image by now!'));
  await expect(read(pinned.origin.open(pinned.described))).rejects.toMatchObject({ code: 'DAEMON_IMAGE_CHANGED' });
});

test('after an origin that did not answer the next read asks again', async () => {
  const { pinned, origin } = await subject();
  origin.remove(REF);
  await expect(read(pinned.origin.open(pinned.described))).rejects.toMatchObject({ code: 'ORIGIN_NOT_FOUND' });
  origin.put(REF, BYTES);
  expect(await read(pinned.origin.open(pinned.described))).toBe(BYTES.toString());
});
