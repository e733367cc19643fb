import { createVirtualClock } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTee } from '../src/tee.ts';

const OPTIONS = { maxAheadBytes: 10_000, graceMs: 100, maxHeldShare: 0.2 };

async function* chunksOf(count: number, bytes = 1000): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) yield Buffer.alloc(bytes, i);
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a tee', () => {
  test('gives both readers everything', async () => {
    const { first, second } = createTee(chunksOf(50), { clock: createVirtualClock() }, OPTIONS);
    const [one, two] = await Promise.all([drain(first), drain(second)]);
    expect(one).toEqual(await drain(chunksOf(50)));
    expect(two).toEqual(one);
  });

  test('reads nothing before the first reader asks', async () => {
    let asked = 0;
    const source = (async function* () {
      asked += 1;
      yield Buffer.alloc(1);
    })();
    const tee = createTee(source, { clock: createVirtualClock() }, OPTIONS);
    const second = drain(tee.second);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toBe(0);
    await drain(tee.first);
    expect((await second).length).toBe(1);
  });

  test('leaves a second reader behind that does not read, and goes on at full speed', async () => {
    const clock = createVirtualClock();
    const tee = createTee(chunksOf(100), { clock }, OPTIONS);
    const first = drain(tee.first);
    await clock.advance(200);
    expect((await first).length).toBe(100_000);
    expect(clock.now()).toBe(200);
    await expect(drain(tee.second)).rejects.toMatchObject({ code: 'GATEWAY_TEE_DROPPED' });
  });

  test('goes on alone where the second reader fails', async () => {
    const tee = createTee(chunksOf(100), { clock: createVirtualClock() }, OPTIONS);
    const failing = (async () => {
      for await (const _ of tee.second) throw new Error('the disk is full');
    })();
    expect((await drain(tee.first)).length).toBe(100_000);
    await expect(failing).rejects.toThrow('the disk is full');
    expect(tee.dropped).toBeDefined();
  });

  test('does not end well for the second where the first leaves in the middle', async () => {
    const tee = createTee(chunksOf(5), { clock: createVirtualClock() }, OPTIONS);
    const second = drain(tee.second);
    const refused = expect(second).rejects.toMatchObject({ code: 'GATEWAY_TEE_DROPPED' });
    let seen = 0;
    for await (const _ of tee.first) if (++seen === 3) break;
    await refused;
  });

  test('an owner that drops the second reader lets it know why, and frees a first that waits for it', async () => {
    const tee = createTee(chunksOf(100), { clock: createVirtualClock() }, OPTIONS);
    const first = drain(tee.first);
    await new Promise((resolve) => setImmediate(resolve));
    tee.drop(new Error('Glance said no'));
    expect((await first).length).toBe(100_000);
    await expect(drain(tee.second)).rejects.toThrow('Glance said no');
  });

  test('bytes sent one by one do not take more memory than was said', async () => {
    const clock = createVirtualClock();
    let given = 0;
    const source = (async function* () {
      for (; given < 10_000; given += 1) yield Buffer.alloc(1);
    })();
    const tee = createTee(source, { clock }, OPTIONS);
    const first = drain(tee.first);
    await clock.advance(50);
    expect(given).toBeLessThan(50);
    await clock.advance(100);
    await first;
  });

  test('whatever the speeds and failures: the first gets all, the second all or an error, within the memory and the time', async () => {
    const speed = fc.array(fc.nat(20), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          sizes: fc.array(fc.integer({ min: 1, max: 4000 }), { maxLength: 40 }),
          speeds: fc.tuple(speed, speed, speed),
          sourceFailsAt: fc.option(fc.nat(40)),
          firstLeavesAt: fc.option(fc.nat(40)),
          secondFailsAt: fc.option(fc.nat(40)),
        }),
        async ({ sizes, speeds: [atSource, atFirst, atSecond], sourceFailsAt, firstLeavesAt, secondFailsAt }) => {
          const clock = createVirtualClock();
          const pause = async (delays: readonly number[], i: number) =>
            await clock.sleep(delays[i % delays.length] as number);
          const whole = sizes.map((size, i) => Buffer.alloc(size, i));
          const source = (async function* () {
            for (const [i, chunk] of whole.entries()) {
              await pause(atSource, i);
              if (i === sourceFailsAt) throw new Error('source');
              yield chunk;
            }
          })();
          const tee = createTee(source, { clock }, OPTIONS);
          const seen: [Buffer[], Buffer[]] = [[], []];
          let [firstBytes, secondBytes] = [0, 0];
          const read = async (which: 0 | 1) => {
            const [bytes, delays, endsAt] = which
              ? [tee.second, atSecond, secondFailsAt]
              : [tee.first, atFirst, firstLeavesAt];
            let i = 0;
            for await (const chunk of bytes) {
              seen[which].push(Buffer.from(chunk));
              if (which) secondBytes += chunk.length;
              else firstBytes += chunk.length;
              if (!tee.dropped) expect(firstBytes - secondBytes).toBeLessThan(OPTIONS.maxAheadBytes + 2 * 4000);
              if (i === endsAt) {
                if (which) throw new Error('second');
                return 'left';
              }
              await pause(delays, i++);
            }
            return 'whole';
          };
          const first = read(0).then(
            (how) => ({ how, atMs: clock.now() }),
            (error: Error) => ({ how: error.message, atMs: clock.now() }),
          );
          const second = read(1).catch((error: Error) => error.message);
          for (let i = 0; i < 100; i += 1) await clock.advance(100);
          const [{ how, atMs }, secondHow] = [await first, await second];
          const expected = Buffer.concat(whole);
          const got = Buffer.concat(seen[0]);
          expect(expected.subarray(0, got.length)).toEqual(got);
          if (how === 'whole') expect(got.length).toBe(expected.length);
          else expect([how, firstLeavesAt ?? sourceFailsAt]).not.toContain(null);
          if (secondHow === 'whole') {
            expect(how).toBe('whole');
            expect(Buffer.concat(seen[1])).toEqual(expected);
          }
          const ownMs = [...seen[0].keys()].reduce(
            (sum, i) => sum + (atSource[i % atSource.length] ?? 0) + (atFirst[i % atFirst.length] ?? 0),
            0,
          );
          const last = atSource[seen[0].length % atSource.length] ?? 0; // the pause before a failing chunk
          expect(atMs * 0.8).toBeLessThanOrEqual(ownMs + last + OPTIONS.graceMs + 1);
        },
      ),
      { numRuns: 100 },
    );
  });
});
