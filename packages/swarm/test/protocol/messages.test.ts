import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SwarmError } from '../../src/swarm-error.ts';
import { messageKinds } from './messages.ts';

/** Whether the bytes were refused, and as they should be; anything else that is thrown fails the test. */
function isRefused(decode: () => unknown): boolean {
  try {
    decode();
    return false;
  } catch (error) {
    if (error instanceof SwarmError && error.code === 'SWARM_BAD_MESSAGE') return true;
    throw error;
  }
}

describe.for(messageKinds)('$name', ({ arbitrary, encode, decode, withoutEnd }) => {
  const bytesArb = arbitrary.map((message) => encode(message as never));

  test('is itself again after it was bytes', () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        expect(decode(encode(message as never))).toEqual(message);
      }),
    );
  });

  test('cut off anywhere, it is refused or a shorter body', () => {
    fc.assert(
      fc.property(arbitrary, fc.double({ min: 0, max: 1, maxExcluded: true }), (message, part) => {
        const bytes = encode(message as never);
        const cut = bytes.subarray(0, Math.floor(part * bytes.length));
        if (isRefused(() => decode(cut))) return;
        // Only what ends in a body of any length can be cut off and mean something: its chunks will not have their digests.
        if (withoutEnd) expect(decode(cut)).toEqual(withoutEnd(message as never));
        else expect(decode(cut)).toHaveProperty('body');
      }),
    );
  });

  test('with one bit flipped it is refused, or a message that has exactly these bytes', () => {
    fc.assert(
      fc.property(bytesArb, fc.nat(), (bytes, at) => {
        const bit = at % (bytes.length * 8);
        const flipped = bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        let message: unknown;
        if (isRefused(() => (message = decode(flipped)))) return;
        expect(message).not.toEqual(decode(bytes)); // no two byte strings mean the same
      }),
      { numRuns: 300 },
    );
  });

  test('with bytes after its end it is refused, or they are its body', () => {
    fc.assert(
      fc.property(bytesArb, fc.uint8Array({ minLength: 1, maxLength: 4 }), (bytes, extra) => {
        const longer = new Uint8Array(Buffer.concat([bytes, extra]));
        if (isRefused(() => decode(longer))) return;
        expect(decode(longer)).toHaveProperty('body');
      }),
    );
  });

  test('garbage is refused or a message, never a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void isRefused(() => decode(bytes))),
      { numRuns: 500 },
    );
  });

  test('a count of millions costs nothing', () => {
    // Wherever the message has a number, a huge one in its place.
    fc.assert(
      fc.property(bytesArb, fc.nat(), (bytes, at) => {
        const from = at % bytes.length;
        const huge = Uint8Array.of(0xff, 0xff, 0xff, 0x7f);
        const hostile = new Uint8Array(Buffer.concat([bytes.subarray(0, from), huge, bytes.subarray(from + 1)]));
        const before = process.memoryUsage().arrayBuffers;
        isRefused(() => decode(hostile));
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
      }),
    );
  });
});
