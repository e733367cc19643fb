import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '@quarry/runtime';
import { freeBuffer } from '../src/free-buffer.ts';
import { createTee } from '../src/tee.ts';

describe('a buffer that is freed', () => {
  it('is empty, and its memory is given back', () => {
    const bytes = new Uint8Array(64);
    freeBuffer(bytes);
    expect([bytes.length, bytes.buffer.byteLength]).toEqual([0, 0]);
  });

  it('stays where it is a part of something larger, or other threads may see it', () => {
    const part = new Uint8Array(64).subarray(0, 32);
    const shared = new Uint8Array(new SharedArrayBuffer(64));
    for (const bytes of [part, shared]) freeBuffer(bytes);
    expect([part.length, shared.length]).toEqual([32, 64]);
  });
});

describe('a tee', () => {
  const source = async function* (count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let i = 0; i < count; i += 1) yield Uint8Array.of(i);
  };
  const start = (count: number) => {
    const freed: number[] = [];
    const options = { maxAheadBytes: 1 << 20, graceMs: 1000, maxHeldShare: 0.2 };
    const onDone = ([number = -1]: Uint8Array): void => void freed.push(number);
    return { freed, tee: createTee(source(count), { clock: createVirtualClock() }, { ...options, onDone }) };
  };

  it('is done with a buffer when both readers are, whoever is first', async () => {
    const { tee, freed } = start(3);
    const [ofFirst, ofSecond]: Uint8Array[][] = [[], []];
    for await (const bytes of tee.first) ofFirst?.push(bytes);
    for await (const bytes of tee.second) ofSecond?.push(bytes);
    const at = (list: Uint8Array[] | undefined, i: number): Uint8Array => list?.[i] ?? expect.fail('there are three');
    tee.doneByFirst(at(ofFirst, 0));
    tee.doneBySecond(at(ofSecond, 1));
    expect(freed).toEqual([]);
    tee.doneBySecond(at(ofSecond, 0));
    tee.doneByFirst(at(ofFirst, 1));
    expect(freed).toEqual([0, 1]);
    tee.doneByFirst(Uint8Array.of(9)); // none of its own
    expect(freed).toEqual([0, 1]);
  });

  it('keeps nothing for a second reader that was left behind, but what that one has', async () => {
    const { tee, freed } = start(4);
    const ofFirst: Uint8Array[] = [];
    for (let i = 0; i < 3; i += 1) ofFirst.push((await tee.first[Symbol.asyncIterator]().next()).value as Uint8Array);
    const held = (await tee.second[Symbol.asyncIterator]().next()).value as Uint8Array;
    tee.drop(new Error('too slow'));
    for await (const bytes of tee.first) ofFirst.push(bytes);
    for (const bytes of ofFirst) tee.doneByFirst(bytes);
    expect(freed).toEqual([1, 2, 3]);
    tee.doneBySecond(held);
    expect(freed).toEqual([1, 2, 3, 0]);
  });
});
