// Answers that are put into buffers of the asker's, and read no faster than it says.
import { describe, expect, test } from 'vitest';
import type { AnswerBuffers } from '../../src/ports/network.ts';
import { carriers, expectNoFallback } from './nodes.ts';

const PART_BYTES = 64 * 1024;
/** More than the buffers of sockets and streams hold together. */
const PARTS = 512;

function bytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (i * i) >> 3);
}

function counting(pace?: AnswerBuffers['pace']): AnswerBuffers & { taken: Uint8Array[]; given: Uint8Array[] } {
  const [taken, given]: [Uint8Array[], Uint8Array[]] = [[], []];
  return {
    taken,
    given,
    async take(byteLength) {
      // In the middle of a larger one: nothing may be written beside it.
      const buffer = new Uint8Array(byteLength + 20).subarray(10, 10 + byteLength);
      taken.push(buffer);
      return buffer;
    },
    give: (buffer) => void given.push(buffer),
    ...(pace ? { pace } : {}),
  };
}

describe.for(carriers)('over $name', ({ startPair }) => {
  test('an answer is in the buffer that was taken for it, which is the asker’s from then on', async () => {
    const [one, other] = await startPair();
    other.handle('/quarry/a/1', { maxRequestBytes: 10 }, async () => bytes(300_000));
    const buffers = counting();
    const answer = await one.request(other.peerId, '/quarry/a/1', bytes(1), { maxBytes: 1e6, buffers });
    expect(answer).toBe(buffers.taken[0]);
    expect(Buffer.compare(answer, bytes(300_000))).toBe(0);
    const around = new Uint8Array(answer.buffer);
    expect([...around.subarray(0, 10), ...around.subarray(-10)]).toEqual(Array.from({ length: 20 }, () => 0));
    expect(buffers.given).toEqual([]);
    expectNoFallback(one, other);
  });

  test('read slice by slice it is the same, and the sender waits for who does not read', async () => {
    const [one, other] = await startPair();
    let made = 0;
    const part = bytes(PART_BYTES);
    other.handle('/quarry/a/1', { maxRequestBytes: 10 }, async () => ({
      byteLength: PARTS * PART_BYTES,
      parts: (function* () {
        for (; made < PARTS; made += 1) yield part;
      })(),
    }));
    other.handle('/quarry/b/1', { maxRequestBytes: 10 }, async () => bytes(1));
    let goOn = (): void => {};
    let hold: Promise<void> | undefined;
    let slices = 0;
    let isHeld = (): void => {};
    const held = new Promise<void>((resolve) => {
      isHeld = resolve;
    });
    const buffers = counting(async (leftBytes) => {
      slices += 1;
      if (slices === 10) {
        hold = new Promise((resolve) => {
          goOn = resolve;
        });
        isHeld();
      }
      await hold;
      return Math.min(leftBytes, 100_001);
    });
    const answering = one.request(other.peerId, '/quarry/a/1', bytes(1), { maxBytes: 1e8, buffers });
    await held;
    // Many round trips: what can be sent has been.
    for (let i = 0; i < 50; i += 1) await one.request(other.peerId, '/quarry/b/1', bytes(1), { maxBytes: 10 });
    expect(made).toBeLessThan(PARTS * 0.75);
    goOn();
    const answer = await answering;
    for (let i = 0; i < PARTS; i += 1) {
      if (Buffer.compare(answer.subarray(i * PART_BYTES, (i + 1) * PART_BYTES), part) !== 0)
        throw new Error(`part ${i}`);
    }
    expect(slices).toBe(Math.ceil((PARTS * PART_BYTES) / 100_001));
  });

  test('what was taken is given back when the answer breaks off, however it does', async () => {
    const [one, other] = await startPair();
    other.handle('/quarry/a/1', { maxRequestBytes: 10 }, async () => ({
      byteLength: 100_000,
      parts: [bytes(50_000), bytes(20_000)], // shorter than it said
    }));
    const buffers = counting();
    const options = { maxBytes: 1e6, buffers };
    await expect(one.request(other.peerId, '/quarry/a/1', bytes(1), options)).rejects.toThrow();
    expect(buffers.given).toEqual(buffers.taken);
    const leaving = new AbortController();
    other.handle('/quarry/b/1', { maxRequestBytes: 10 }, async () => bytes(200_000));
    const held = counting((_, { signal }) => {
      leaving.abort(new Error('not wanted'));
      return new Promise((_resolve, reject) => {
        if (signal.aborted) reject(signal.reason as Error);
      });
    });
    const cancelled = one.request(other.peerId, '/quarry/b/1', bytes(1), {
      maxBytes: 1e6,
      buffers: held,
      signal: leaving.signal,
    });
    await expect(cancelled).rejects.toThrow('not wanted');
    expect(held.given).toEqual(held.taken);
    expect(held.taken).toHaveLength(1);
  });
});
