import { describe, expect, test } from 'vitest';
import { createBufferPool } from '../src/buffer-pool.ts';

describe('a buffer pool', () => {
  test('hands out again what was given back, as a whole or as a part', () => {
    const pool = createBufferPool({ bufferBytes: 8, maxFree: 2 });
    const [a, b] = [pool.take(), pool.take()];
    expect(a.buffer).not.toBe(b.buffer);
    pool.give(a);
    pool.give(b.subarray(3, 5));
    expect([pool.take().buffer, pool.take().buffer]).toEqual(expect.arrayContaining([a.buffer, b.buffer]));
    expect(pool.take()).toHaveLength(8);
  });

  test('takes nothing that it did not hand out, and nothing twice', () => {
    const pool = createBufferPool({ bufferBytes: 8, maxFree: 10 });
    pool.give(new Uint8Array(8));
    const a = pool.take();
    pool.give(a);
    pool.give(a);
    expect(pool.take().buffer).toBe(a.buffer);
    expect(pool.take().buffer).not.toBe(a.buffer);
  });

  test('keeps no more than it may', () => {
    const pool = createBufferPool({ bufferBytes: 8, maxFree: 1 });
    const [a, b] = [pool.take(), pool.take()];
    pool.give(a);
    pool.give(b);
    expect(pool.take().buffer).toBe(a.buffer);
    expect(pool.take().buffer).not.toBe(b.buffer);
  });
});
