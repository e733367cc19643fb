import { describe, expect, test } from 'vitest';
import { boundOf, expandScenario, scenarioFrom } from '../../src/index.ts';
import type { ExpandOptions, Storm, StormRun } from '../../src/index.ts';

const image = '[[images]]\nname = "image"\nsize = "100 pieces"\n';
const all = '[[unshelves]]\nimages = "image"\n';

function stormFrom(toml: string, options: Partial<ExpandOptions> = {}, top = ''): Storm {
  const text = `about = "x"\n${top}\n[hosts]\ncount = 40\n${toml}`;
  return expandScenario(scenarioFrom(text, 'mine.toml'), { seed: 1, ...options });
}
const chunks = (runs: readonly StormRun[]): number => runs.reduce((sum, { chunkCount }) => sum + chunkCount, 0);

describe('links', () => {
  const mixed = `${image}${all}[origin]\nrate = "500Mbit/s"\nbudget = "100MB/s"\n[zones]\nhostsPerZone = 15\noversubscription = 3\n[[groups]]\nhosts = "9%"\nlink = "0.25x"\n`;

  test('follow another node link in proportion, and budgets stay', () => {
    const storm = stormFrom(mixed, { link: 1e9 });
    expect(storm.origin).toMatchObject({ bytesPerSecond: 500e6, budgetBytesPerSecond: 100e6 });
    expect(storm.zones.map((zone) => zone.downBytesPerSecond)).toEqual([5e9, 5e9, 5e9]);
    const links = storm.hosts.map(({ upBytesPerSecond }) => upBytesPerSecond);
    expect(links.filter((rate) => rate === 250e6)).toHaveLength(4);
    expect(links.filter((rate) => rate === 1e9)).toHaveLength(36);
  });

  test('zones are filled one after the other, whatever the number of hosts', () => {
    expect(
      stormFrom(mixed)
        .hosts.map(({ zone }) => zone)
        .filter((zone) => zone === 2),
    ).toHaveLength(10);
    expect(stormFrom(mixed, { nodes: 100 }).zones).toHaveLength(7);
  });
});

describe('images', () => {
  const snapshots = `${image}[[images]]\nname = "big"\ncount = "perHost"\nsize = "300 pieces"\nmaxSize = "900 pieces"\nbase = "image"\ncommon = "15%"\n[[unshelves]]\nimages = "big"\nchoose = "own"\n`;

  test('share whole pieces of their base, and keep their own in packs of their own of 4,096 chunks at most', () => {
    const storm = stormFrom(snapshots);
    const sizes = storm.images.slice(1).map(({ runs }) => chunks(runs));
    expect(storm.images).toHaveLength(41);
    expect(new Set(sizes).size).toBeGreaterThan(20);
    for (const [i, { runs }] of storm.images.slice(1).entries()) {
      const common = runs.filter(({ pack }) => pack === 0);
      expect(chunks(common)).toBe(Math.min(1600, Math.round(((sizes[i] ?? 0) * 0.15) / 16) * 16));
      expect(runs.filter(({ pack }) => pack !== 0).every(({ firstChunk }) => firstChunk === 0)).toBe(true);
    }
    expect(Math.max(...storm.packs.map((pack) => pack.chunks))).toBe(4096);
    expect(storm.packs[0]).toEqual({ chunks: 1600 });
    expect(storm.unshelves.every(({ host, image: wanted }) => wanted === host + 1)).toBe(true);
  });

  test('at a part of their size keep what they share, in whole chunks, and T* shrinks alike', () => {
    const [full, part] = [stormFrom(snapshots, { link: 1e6 }), stormFrom(snapshots, { link: 1e6, scale: 1 / 32 })];
    for (const [i, { runs }] of part.images.entries()) {
      const whole = chunks(full.images[i]?.runs ?? []);
      expect(Math.abs(chunks(runs) - whole / 32)).toBeLessThanOrEqual(1);
      const common = chunks(runs.filter(({ pack }) => pack === 0));
      if (i > 0) expect(Math.abs(common - Math.min(50, chunks(runs) * 0.15))).toBeLessThanOrEqual(1);
    }
    expect((32 * boundOf(part).boundMs) / boundOf(full).boundMs).toBeCloseTo(1, 1);
    expect(() => stormFrom(snapshots, { scale: 0 })).toThrow('scaled by a number above 0');
  });

  test('are as popular as Zipf has it', () => {
    const many = `${image.replace('size', 'count = 50\nsize')}${all}choose = "zipf"\ncount = 5000\n`;
    const counts = new Map<number, number>();
    for (const { image: wanted } of stormFrom(many).unshelves) counts.set(wanted, (counts.get(wanted) ?? 0) + 1);
    expect(counts.get(0)).toBeGreaterThan(1000); // 5,000 ÷ (1 + 1/2 + … + 1/50) = 1,111
    expect(counts.get(0)).toBeLessThan(1230);
    expect(counts.get(9)).toBeGreaterThan(70);
    expect(counts.get(9)).toBeLessThan(160);
  });
});

describe('arrivals', () => {
  test('are dealt out evenly and lie within their span', () => {
    const storm = stormFrom(`${image}${all}count = 100\nat = "1s"\nover = "2F"\n`);
    const times = storm.unshelves.map(({ atMs }) => atMs);
    const spanMs = ((100 * 2 ** 20) / 125e6) * 2000;
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(1000);
    expect(times.at(-1)).toBeLessThan(1000 + spanMs);
    expect(times[50]).toBeGreaterThan(1000 + spanMs * 0.3);
    const perHost = storm.hosts.map((_, host) => storm.unshelves.filter((each) => each.host === host).length);
    expect(new Set(perHost)).toEqual(new Set([2, 3]));
  });

  test('of a Poisson stream have exponential gaps', () => {
    const storm = stormFrom(`${image}${all}count = 4000\nover = "400s"\narrival = "poisson"\n`);
    const gaps = storm.unshelves.map(({ atMs }, i) => atMs - (storm.unshelves[i - 1]?.atMs ?? 0));
    expect(storm.unshelves.at(-1)?.atMs).toBeGreaterThan(360_000);
    expect(storm.unshelves.at(-1)?.atMs).toBeLessThan(440_000);
    expect(gaps.filter((gap) => gap > 100).length / 4000).toBeCloseTo(Math.exp(-1), 1);
  });
});

describe('what is cached', () => {
  const cached = (rest: string): string => `${image}${all}[[cached]]\nimages = "image"\n${rest}\n`;

  test('scattered pieces have as many holders as copies, each piece its own', () => {
    const storm = stormFrom(cached('where = "scattered"\ncopies = 3'));
    const holders = Array.from({ length: 1600 }, (_, chunk) =>
      storm.holdings.filter(({ run }) => run.firstChunk <= chunk && chunk < run.firstChunk + run.chunkCount),
    );
    expect(holders.every((hosts) => hosts.length === 3)).toBe(true);
    // 1,600 chunks make pieces of 8: all of a piece lie together, and pieces apart.
    const names = holders.map((hosts) => hosts.map(({ host }) => host).join());
    expect(names.every((name, chunk) => name === names[chunk - (chunk % 8)])).toBe(true);
    expect(new Set(names).size).toBeGreaterThan(150);
  });

  test('elsewhere is on hosts that do not unshelve it', () => {
    const toml = `${image.replace('size', 'count = "perHost"\nsize')}${all}choose = "own"\n[[cached]]\nimages = "image"\nwhere = "elsewhere"\ncopies = 2\n`;
    const storm = stormFrom(toml);
    expect(storm.holdings).toHaveLength(80);
    expect(storm.holdings.every(({ host, run }) => host !== run.pack)).toBe(true);
  });

  test('what takes more hosts than there are is refused with the numbers', () => {
    const scattered = cached('where = "scattered"\ncopies = 3');
    expect(() => stormFrom(scattered, { nodes: 2 })).toThrow(
      /mine\.toml: "image" .* 3 copies, but only 2 of .* 2 hosts/,
    );
    expect(() => stormFrom(cached('where = "elsewhere"'))).toThrow(/only 0 of/);
    expect(() => stormFrom(image + all, { nodes: 0 })).toThrow(/at least one host, not 0/);
    expect(() => stormFrom(image + all, { link: 0 })).toThrow(/rate above 0 and below Infinity, not 0/);
    expect(() => stormFrom(`${image}${all}[origin]\nseeders = 0\n`)).toThrow(/nobody holds all that is unshelved/);
  });
});

describe('faults', () => {
  test('kill no host twice, and come when the bound of the calm storm says', () => {
    const kill = (rest: string): string => `[[faults]]\nkind = "kill"\nhosts = "40%"\nat = "0.5T"\n${rest}\n`;
    const calm = stormFrom(image + all);
    const storm = stormFrom(`${image}${all}${kill('')}${kill('over = "1T"\nrestartAfter = "2s"\ntornChunks = 7')}`);
    const { boundMs } = boundOf(calm);
    const killed = storm.faults.filter(({ kind }) => kind === 'kill');
    expect(new Set(killed.map((fault) => 'host' in fault && fault.host)).size).toBe(32);
    expect(killed.filter(({ atMs }) => atMs === boundMs / 2)).toHaveLength(16);
    for (const fault of storm.faults) {
      if (fault.kind !== 'restart') continue;
      const death = killed.find((other) => 'host' in other && other.host === fault.host);
      expect(fault.atMs - (death?.atMs ?? 0)).toBeCloseTo(2000, 6);
      expect(fault.tornChunks).toBe(7);
    }
    expect(storm.unshelves).toEqual(calm.unshelves);
    expect(() => stormFrom(`${image}${all}${kill('')}${kill('')}${kill('')}`)).toThrow(
      /faults\[2\] wants 16 hosts, but only 8/,
    );
  });

  test('leave time after the last of them before a storm counts as hung', () => {
    const stall = '[[faults]]\nkind = "stall"\nhosts = 1\nat = "90s"\nuntil = "100s"\n';
    expect(stormFrom(image + all + stall).limitMs).toBe(160_000);
    expect(stormFrom(image + all + stall.replace('"100s"', '"forever"')).limitMs).toBe(150_000);
    expect(stormFrom(image + all + stall, {}, 'limit = "5s"').limitMs).toBe(5000);
  });
});

test('chance follows the seed', () => {
  const toml = `${image}${all}over = "1F"\n[[faults]]\nkind = "partition"\nhosts = "50%"\nuntil = "1s"\n`;
  expect(stormFrom(toml, { seed: 5 })).toEqual(stormFrom(toml, { seed: 5 }));
  expect(stormFrom(toml, { seed: 5 }).unshelves).not.toEqual(stormFrom(toml, { seed: 6 }).unshelves);
  expect(stormFrom(toml, { seed: 5 }).faults).not.toEqual(stormFrom(toml, { seed: 6 }).faults);
});
