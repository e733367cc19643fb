import { describe, expect, test } from 'vitest';
import { createSeederSlots } from '../../src/scheduler/seeder-slots.ts';

/** A link on which a slot brings so many pieces a second until the link is full. Returns the slots after so many pieces. */
function run(options: { perSlot: number; link: number; pieces: number; slots?: ReturnType<typeof createSeederSlots> }) {
  const slots = options.slots ?? createSeederSlots({ minSlots: 16, maxSlots: 320 });
  let nowMs = 0;
  for (let i = 0; i < options.pieces; i += 1) {
    nowMs += 1000 / Math.min(options.link, options.perSlot * slots.count);
    slots.sent(16, true, nowMs);
  }
  return slots;
}

describe('a seeder’s slots', () => {
  test('stay few where few fill the link', () => {
    expect(run({ perSlot: 20, link: 120, pieces: 2000 }).count).toBeLessThanOrEqual(24);
  });

  test('grow until the link is full, and hardly beyond', () => {
    const slots = run({ perSlot: 10, link: 2000, pieces: 6000 });
    expect(slots.count).toBeGreaterThanOrEqual(170);
    expect(slots.count).toBeLessThanOrEqual(320);
  });

  test('grow again when receivers have less room for them than at first', () => {
    const slots = createSeederSlots({ minSlots: 16, maxSlots: 320 });
    run({ perSlot: 120, link: 500, pieces: 100, slots });
    const before = slots.count;
    expect(run({ perSlot: 10, link: 500, pieces: 3000, slots }).count).toBeGreaterThanOrEqual(45);
    expect(before).toBeLessThan(45);
  });

  test('do not grow while nobody waits for one', () => {
    const slots = createSeederSlots({ minSlots: 16, maxSlots: 320 });
    for (let i = 1; i < 5000; i += 1) slots.sent(16, false, i);
    expect(slots.count).toBe(16);
  });
});
