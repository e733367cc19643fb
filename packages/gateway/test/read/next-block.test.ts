import { createVirtualClock } from '@quarry/runtime';
import { expect, test } from 'vitest';
import type { ByteSource } from '../../src/read/byte-source.ts';
import { nextBlock } from '../../src/read/download-bytes.ts';

const LIMIT_MS = 10_000;

/** What comes of a source that gives its next bytes after 35 s; something of the image arrives until `arrivesUntilMs`. */
async function outcome(arrivesUntilMs: number): Promise<string> {
  const clock = createVirtualClock();
  const source = {
    kind: 'quarry',
    next: async () => {
      await clock.sleep(3.5 * LIMIT_MS);
      return { done: false, value: new Uint8Array(1) };
    },
    end: () => {},
    bytesBySource: () => ({ local: 0, peer: Math.min(clock.now(), arrivesUntilMs), seeder: 0, origin: 0 }),
  } as ByteSource;
  const waiting = nextBlock(source, clock, LIMIT_MS, new AbortController().signal).then(
    () => `given at ${clock.now()}`,
    ({ code }: { code: string }) => `${code} at ${clock.now()}`,
  );
  await clock.advance(4 * LIMIT_MS);
  return await waiting;
}

test('a source that is silent is not left while it gets on', async () => {
  expect(await outcome(Infinity)).toBe('given at 35000');
});

test('a source that is silent and gets nothing has stalled', async () => {
  expect(await outcome(0)).toBe('GATEWAY_STALLED at 10000');
  expect(await outcome(15_000)).toBe('GATEWAY_STALLED at 30000');
});
