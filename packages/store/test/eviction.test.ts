import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { planEviction } from '../src/eviction.ts';

const candidates = fc.uniqueArray(
  fc.record({ id: fc.nat(), bytes: fc.nat(1000), usedAt: fc.nat(), isHeld: fc.boolean() }),
  { selector: ({ usedAt }) => usedAt, maxLength: 30, size: 'max' },
);

test('a plan keeps what is held, takes the least recently used first, and no more than it must', () => {
  fc.assert(
    fc.property(candidates, fc.nat(20_000), (packs, maxBytes) => {
      const { victims, evictedBytes, keptBytes } = planEviction(
        packs.map((pack) => ({ ...pack, id: pack })),
        maxBytes,
      );
      const total = packs.reduce((sum, { bytes }) => sum + bytes, 0);
      const free = packs.filter(({ isHeld }) => !isHeld).toSorted((a, b) => a.usedAt - b.usedAt);
      expect(victims).toEqual(free.slice(0, victims.length));
      expect(evictedBytes).toBe(victims.reduce((sum, { bytes }) => sum + bytes, 0));
      expect(keptBytes).toBe(total - evictedBytes);
      if (victims.length < free.length) expect(keptBytes).toBeLessThanOrEqual(maxBytes);
      const last = victims.at(-1);
      if (last) expect(keptBytes + last.bytes).toBeGreaterThan(maxBytes);
    }),
  );
});
