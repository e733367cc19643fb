import { createHash } from 'node:crypto';
import type { ImageHash } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import { createImageHasher } from '../src/image-hasher.ts';
import { noise } from './support/any-image.ts';

describe('the whole-image hash', () => {
  test.for(['sha512', 'sha384', 'sha256', 'blake2b512'] as const)(
    '%s is that of all bytes in order, zeros too',
    async (algorithm) => {
      const hasher = createImageHasher(algorithm);
      const [a, b] = [noise(3_000_000, 1), noise(10, 2)];
      const spoilt = Buffer.from(a);
      await hasher.update(spoilt);
      spoilt.fill(0); // it has what it needs
      await hasher.updateZeros(70_000_000);
      await hasher.update(b);
      await hasher.updateZeros(0);
      const expected = createHash(algorithm).update(a).update(Buffer.alloc(70_000_000)).update(b).digest('hex');
      expect(await hasher.finish()).toEqual({ algorithm, value: expected });
      await hasher.discard();
    },
  );

  test('is not waited for in vain when its thread fails or is ended', async () => {
    const failing = createImageHasher('no such hash' as ImageHash['algorithm']);
    await expect(failing.finish()).rejects.toThrow();
    const ended = createImageHasher('sha512');
    const finishing = ended.finish();
    const refused = expect(finishing).rejects.toThrow('the hashing thread has ended');
    await ended.discard();
    await refused;
  });
});
