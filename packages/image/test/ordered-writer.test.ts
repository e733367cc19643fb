import { describe, expect, test } from 'vitest';
import { imageDefaults } from '../src/options.ts';
import { createOrderedWriter } from '../src/ordered-writer.ts';

const { writeBytes, concurrentWrites } = imageDefaults;

/** A file whose writes end when they are told to. */
function createSlowFile(): {
  readonly write: (bytes: Uint8Array, offset: number) => Promise<void>;
  readonly begun: { readonly offset: number; readonly length: number; readonly end: (error?: Error) => void }[];
} {
  const begun: { readonly offset: number; readonly length: number; readonly end: (error?: Error) => void }[] = [];
  return {
    begun,
    write: (bytes, offset) =>
      new Promise((resolve, reject) => {
        begun.push({ offset, length: bytes.length, end: (error) => (error ? reject(error) : resolve()) });
      }),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an ordered writer', () => {
  test('writes every byte once, in small pieces, a few at a time', async () => {
    const file = createSlowFile();
    const writer = createOrderedWriter(file);
    const written: number[] = [];
    for (const [offset, length] of [
      [0, 4 * writeBytes],
      [10 * writeBytes, writeBytes + 5],
    ] as const) {
      writer.add(new Uint8Array(length), offset, () => written.push(offset));
    }
    for (let i = 0; i < file.begun.length; i += 1) {
      expect(file.begun.length - i).toBeLessThanOrEqual(concurrentWrites);
      file.begun[i]?.end();
      await turn();
    }
    await writer.finish();
    expect(written).toEqual([0, 10 * writeBytes]);
    const whole = [0, 1, 2, 3, 10].map((i) => ({ offset: i * writeBytes, length: writeBytes }));
    expect(file.begun.map(({ offset, length }) => ({ offset, length }))).toEqual([
      ...whole,
      { offset: 11 * writeBytes, length: 5 },
    ]);
  });

  test('begins nothing after a failure, waits for what is under way, and tells', async () => {
    const file = createSlowFile();
    const writer = createOrderedWriter(file);
    writer.add(new Uint8Array(10 * writeBytes), 0, () => {
      throw new Error('it was not written');
    });
    file.begun[1]?.end(new Error('no space'));
    await turn();
    expect(file.begun).toHaveLength(concurrentWrites);
    await expect(writer.room()).rejects.toThrow('no space');
    let isOver = false;
    const finishing = writer.finish().finally(() => (isOver = true));
    await turn();
    expect(isOver).toBe(false);
    for (const { end } of file.begun) end();
    await expect(finishing).rejects.toThrow('no space');
  });
});
