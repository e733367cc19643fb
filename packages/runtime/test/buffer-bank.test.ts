import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBufferBank } from '../src/buffer-bank.ts';
import { createVirtualClock } from '../src/virtual-clock.ts';

const MIB = 1024 * 1024;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bankOf(maxBytes: number) {
  const clock = createVirtualClock();
  return { clock, bank: createBufferBank({ clock }, { maxBytes, idleMs: 1000 }) };
}

test('what was given back is handed out again, as long as is asked for', async () => {
  const { bank } = bankOf(8 * MIB);
  const first = await bank.take(MIB + 2);
  bank.give(first.subarray(2)); // any view of it
  const second = await bank.take(MIB - 5);
  expect(second.buffer).toBe(first.buffer);
  expect([first.length, second.length]).toEqual([MIB + 2, MIB - 5]);
});

test('a buffer given back twice, or never taken, changes nothing', async () => {
  const { bank } = bankOf(8 * MIB);
  const [one, two] = [await bank.take(MIB), await bank.take(MIB)];
  bank.give(one);
  bank.give(one);
  bank.give(new Uint8Array(MIB));
  const { takenBytes } = bank.view();
  const again = await bank.take(MIB);
  const other = await bank.take(MIB);
  expect(again.buffer).not.toBe(other.buffer);
  for (const buffer of [two, again, other]) bank.give(buffer);
  expect(takenBytes).toBeGreaterThan(0);
  expect(bank.view().takenBytes).toBe(0);
});

test('who comes first is served first, also before one who wants less', async () => {
  const { bank } = bankOf(3 * MIB);
  const held = [await bank.take(MIB), await bank.take(MIB)];
  const served: string[] = [];
  const large = bank.take(2 * MIB).then((buffer) => (served.push('large'), buffer));
  const small = bank.take(1000).then((buffer) => (served.push('small'), buffer));
  await turn();
  expect(served).toEqual([]);
  for (const buffer of held) bank.give(buffer);
  bank.give(await large);
  bank.give(await small);
  expect(served).toEqual(['large', 'small']);
});

test('who gives up lets the next one in, and who has given up takes nothing', async () => {
  const { bank } = bankOf(3 * MIB);
  const held = [await bank.take(MIB), await bank.take(MIB)];
  const leaving = new AbortController();
  const large = bank.take(2 * MIB, { signal: leaving.signal });
  const small = bank.take(100_000);
  leaving.abort(new Error('not wanted'));
  await expect(large).rejects.toThrow('not wanted');
  await expect(bank.take(5, { signal: leaving.signal })).rejects.toThrow('not wanted');
  for (const buffer of [...held, await small]) bank.give(buffer);
  expect(bank.view()).toMatchObject({ takenBytes: 0, waiting: 0 });
});

test('one is always served, however much it wants', async () => {
  const { bank } = bankOf(MIB);
  const large = await bank.take(4 * MIB);
  expect(large.length).toBe(4 * MIB);
  bank.give(large);
  expect(bank.view()).toMatchObject({ takenBytes: 0, freeBytes: 0 }); // too large to keep
});

test('a dropped buffer counts no more, and is not handed out until it is given back after all', async () => {
  const { bank } = bankOf(8 * MIB);
  const dropped = await bank.take(MIB);
  bank.drop(dropped);
  bank.drop(dropped);
  expect(bank.view()).toMatchObject({ takenBytes: 0, freeBytes: 0 });
  const other = await bank.take(MIB);
  expect(other.buffer).not.toBe(dropped.buffer);
  bank.give(dropped);
  expect((await bank.take(MIB)).buffer).toBe(dropped.buffer);
});

test('what is reserved, and what a taker allocates besides, counts too', async () => {
  const { bank } = bankOf(3 * MIB);
  const back = await bank.reserve(MIB);
  const buffer = await bank.take(1000, { besidesBytes: MIB });
  const waiting = bank.take(MIB);
  expect(bank.view().waiting).toBe(1);
  back();
  back();
  bank.give(await waiting);
  bank.give(buffer);
  expect(bank.view().takenBytes).toBe(0);
});

test('buffers that nobody wants are let go after a while', async () => {
  const { bank, clock } = bankOf(8 * MIB);
  bank.give(await bank.take(MIB));
  await clock.advance(900);
  expect(bank.view().freeBytes).toBeGreaterThan(MIB);
  await clock.advance(1200);
  expect(bank.view().freeBytes).toBe(0);
  expect(clock.pending).toBe(0);
});

test('whatever is taken, given, dropped and given up, the bound holds and nothing is lost', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('take' as const), bytes: fc.integer({ min: 1, max: 3 * MIB }), besides: fc.nat(MIB) }),
    fc.record({ do: fc.constantFrom('give' as const, 'drop' as const, 'giveUp' as const), which: fc.nat(20) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(3000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { bank, clock } = bankOf(4 * MIB);
      const out = new Set<Uint8Array>();
      const waiting = new Set<AbortController>();
      const check = (): void => {
        const { takenBytes, freeBytes } = bank.view();
        const held = [...out].reduce((sum, buffer) => sum + buffer.length, 0);
        expect(takenBytes).toBeGreaterThanOrEqual(held);
        if (out.size > 1) expect(takenBytes + freeBytes).toBeLessThanOrEqual(4 * MIB);
        expect(new Set([...out].map(({ buffer }) => buffer)).size).toBe(out.size);
      };
      for (const one of steps) {
        if (one.do === 'take') {
          const giveUp = new AbortController();
          waiting.add(giveUp);
          bank
            .take(one.bytes, { signal: giveUp.signal, besidesBytes: one.besides })
            .then((buffer) => out.add(buffer))
            .catch(() => {})
            .finally(() => waiting.delete(giveUp));
        } else if (one.do === 'wait') await clock.advance(one.ms);
        else if (one.do === 'giveUp') [...waiting][one.which % Math.max(1, waiting.size)]?.abort(new Error('left'));
        else {
          const buffer = [...out][one.which % Math.max(1, out.size)];
          if (buffer) {
            out.delete(buffer);
            bank[one.do](buffer);
          }
        }
        await turn();
        check();
      }
      while (out.size > 0 || waiting.size > 0) {
        for (const buffer of out) bank.give(buffer);
        out.clear();
        await turn();
      }
      expect(bank.view()).toMatchObject({ takenBytes: 0, waiting: 0 });
    }),
    { numRuns: 60 },
  );
});
