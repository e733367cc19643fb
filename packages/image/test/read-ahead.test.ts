import { createBufferPool } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gatherBlocks } from '../src/gather-blocks.ts';
import { readAhead } from '../src/read-ahead.ts';
import { noise } from './support/any-image.ts';
import { collect, streamOf } from './support/streams.ts';

describe('reading ahead', () => {
  test('passes everything on in order', async () => {
    const bytes = noise(100_000, 1);
    expect((await collect(readAhead(streamOf(bytes, [1000, 1, 30_000]), { maxBytes: 5000 }))).equals(bytes)).toBe(true);
  });

  test('reads while its reader is busy, and stops at its limit', async () => {
    let read = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      for (; read < 100; ) {
        read += 1;
        yield new Uint8Array(10);
      }
    }
    const ahead = readAhead(source(), { maxBytes: 35 });
    await ahead.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect(read).toBe(5); // one taken, four waiting: 40 bytes, over the limit of 35
    await ahead.return();
  });

  test('gives what was read before an error, and then the error', async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      yield Buffer.from('b');
      throw new Error('broken');
    }
    const seen: string[] = [];
    const reading = (async () => {
      for await (const buffer of readAhead(source(), { maxBytes: 100 })) seen.push(Buffer.from(buffer).toString());
    })();
    await expect(reading).rejects.toThrow('broken');
    expect(seen).toEqual(['a', 'b']);
  });

  test('ends its source when it is left early', async () => {
    const isEnded = Promise.withResolvers<string>();
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(10);
      } finally {
        isEnded.resolve('ended');
      }
    }
    for await (const _ of readAhead(source(), { maxBytes: 20 })) break;
    expect(await isEnded.promise).toBe('ended');
  });

  test('ends at once when it is aborted, though its source hangs', async () => {
    const controller = new AbortController();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield await new Promise<never>(() => setImmediate(() => controller.abort('stop')));
    }
    await expect(collect(readAhead(source(), { maxBytes: 20, signal: controller.signal }))).rejects.toBe('stop');
  });
});

describe('gathering blocks', () => {
  test('keeps the bytes, and makes no empty block', async () => {
    const anyLengths = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(anyLengths, fc.nat(20_000), async (lengths, total) => {
        const bytes = noise(total, 3);
        const blocks = await blocksOf(streamOf(bytes, lengths));
        expect(Buffer.concat(blocks).equals(bytes)).toBe(true);
        for (const { length } of blocks) expect(length).toBeGreaterThan(0);
      }),
    );
  });

  test('makes whole blocks of small buffers', async () => {
    const blocks = await blocksOf(streamOf(noise(1000, 3), [1, 63, 17]));
    expect(blocks.map(({ length }) => length)).toEqual([128, 128, 128, 128, 128, 128, 128, 104]);
  });

  test('takes a large buffer as it is', async () => {
    const buffer = new Uint8Array(100);
    const blocks = await blocksOf(singly(buffer));
    expect(blocks).toHaveLength(1);
    expect(blocks[0]?.buffer).toBe(buffer.buffer);
  });
});

async function* singly(buffer: Uint8Array): AsyncGenerator<Uint8Array> {
  yield buffer;
}

async function blocksOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = [];
  const pool = createBufferPool({ bufferBytes: 128, maxFree: 0 });
  for await (const block of gatherBlocks(source, pool, () => {})) blocks.push(block);
  return blocks;
}
