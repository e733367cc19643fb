import { expandScenario, loadScenario, scenarioFrom } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';
import { expect, test } from 'vitest';
import { planHoldings } from '../../src/quarry/plan-holdings.ts';
import type { HoldingsPlan } from '../../src/quarry/plan-holdings.ts';

const MIB = 2 ** 20;
const small = { seed: 5, scale: 1 / 64, link: 2.5e6 };
const storm = (name: string, nodes: number): Storm => expandScenario(loadScenario(name), { ...small, nodes });

/** Bytes that each host has after the plan, by what is said of its ways. */
function bytesAfter({ images, hosts }: Storm, plan: HoldingsPlan): number[] {
  const bytes = (image: number): number =>
    (images[image]?.runs ?? []).reduce((sum, { chunkCount }) => sum + chunkCount * 65_536, 0);
  const packsOf = (image: number): Set<number> => new Set(images[image]?.runs.map(({ pack }) => pack));
  const shared = (image: number): number =>
    (images[image]?.runs ?? [])
      .filter(({ pack }) => plan.prefetches.some((base) => packsOf(base).has(pack)))
      .reduce((sum, { chunkCount }) => sum + chunkCount * 65_536, 0);
  return hosts.map((_, host) => {
    const prefetched = plan.prefetches.reduce((sum, image) => sum + bytes(image), 0);
    const shelved = plan.shelves
      .filter((shelve) => shelve.host === host || shelve.copies.includes(host))
      .reduce((sum, { image }) => sum + bytes(image) - shared(image), 0);
    const read = plan.reads
      .filter((each) => each.host === host)
      .flatMap(({ ranges }) => ranges)
      .reduce((sum, { length }) => sum + length, 0);
    return prefetched + shelved + read;
  });
}
const heldBytes = ({ holdings, hosts }: Storm): number[] =>
  hosts.map((_, host) =>
    holdings.reduce((sum, held) => (held.host === host ? sum + held.run.chunkCount * 65_536 : sum), 0),
  );

test('a base that is cached everywhere is fetched by every host', () => {
  const warm = storm('warm-base', 6);
  const plan = planHoldings(warm);
  expect(plan).toEqual({ prefetches: [0], shelves: [], loan: undefined, reads: [] });
  expect(bytesAfter(warm, plan)).toEqual(heldBytes(warm));
});

test('a snapshot whose own part lies elsewhere beside the base was shelved there', () => {
  const warm = storm('shelved-here-warm', 6);
  const plan = planHoldings(warm);
  expect(plan.prefetches).toEqual([0]);
  expect(plan.shelves.map(({ image }) => image)).toEqual([1, 2, 3, 4, 5, 6]);
  for (const { image, host, copies } of plan.shelves) {
    expect(warm.unshelves.find((unshelve) => unshelve.image === image)?.host).not.toBe(host);
    expect(copies).toEqual([]);
  }
  expect(plan).toMatchObject({ loan: undefined, reads: [] });
  expect(bytesAfter(warm, plan)).toEqual(heldBytes(warm));
});

test('an own part without the base is read from a host that holds nothing and lends it', () => {
  const cold = storm('shelved-here-cold', 8);
  const plan = planHoldings(cold);
  expect(plan).toMatchObject({ prefetches: [], shelves: [], loan: { images: [1, 2, 3, 4, 5, 6, 7, 8], bases: [0] } });
  expect(cold.holdings.some(({ host }) => host === plan.loan?.host)).toBe(false);
  expect(bytesAfter(cold, plan)).toEqual(heldBytes(cold));
});

test('what is scattered is read by ranges, each chunk once by each host that holds it', () => {
  const down = storm('origin-down', 10);
  const plan = planHoldings(down);
  expect(plan).toMatchObject({ prefetches: [], shelves: [], loan: undefined });
  expect(bytesAfter(down, plan)).toEqual(heldBytes(down));
  for (const { ranges } of plan.reads) {
    const ends = ranges.map(({ offset, length }) => offset + length);
    for (const [i, { offset }] of ranges.entries()) expect(offset).toBeGreaterThan(ends[i - 1] ?? -1);
  }
});

test('copies of a whole image are kept for the host that shelved it', () => {
  const text = `about = "Copies."
[hosts]
count = 8
[[images]]
name = "image"
size = "4 pieces"
[[unshelves]]
images = "image"
count = 2
[[cached]]
images = "image"
where = "elsewhere"
copies = 3`;
  const copies = expandScenario(scenarioFrom(text, 'copies.toml'), { seed: 1 });
  const plan = planHoldings(copies);
  expect(plan).toMatchObject({ prefetches: [], loan: undefined, reads: [], shelves: [{ image: 0 }] });
  expect(plan.shelves[0]?.copies).toHaveLength(2);
  expect(bytesAfter(copies, plan)).toEqual(heldBytes(copies));
  expect(heldBytes(copies).reduce((a, b) => a + b, 0)).toBe(12 * MIB);
});

test('own parts without the base on every host are refused, saying what to do', () => {
  const cold = storm('shelved-here-cold', 3);
  const own = cold.images[1]?.runs.at(-1);
  const full = {
    ...cold,
    holdings: cold.hosts.map((_, host) => ({ host, run: own ?? { pack: 0, firstChunk: 0, chunkCount: 1 } })),
  };
  const one = {
    ...full,
    holdings: [...full.holdings.slice(0, 2), { host: 2, run: { pack: 0, firstChunk: 0, chunkCount: 1 } }],
  };
  expect(() => planHoldings(one)).toThrow(expect.objectContaining({ code: 'STORM_UNSUPPORTED' }));
});
