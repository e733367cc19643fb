import type { Storm, StormFault } from '@quarry/scenario';
import { describe, expect, test } from 'vitest';
import type { SimulationResult } from '../src/simulation.ts';
import type { TraceSink } from '../src/trace.ts';
import { simulate } from '../src/world/simulate.ts';
import { tinyStorm } from './support/tiny-storm.ts';

const CHUNKS = 1024; // 64 MiB: 2.7 s at this rate
const rate = 25e6;
const host = { zone: 0, upBytesPerSecond: rate, downBytesPerSecond: rate, diskWriteBytesPerSecond: Infinity };

/** Twelve hosts want one image that nobody has but the seeder; the last comes 1.5 s after the others. */
function stormOf(faults: readonly StormFault[], changes: Partial<Storm> = {}): Storm {
  const hosts = Array.from({ length: 12 }, (_, i) => ({ ...host, name: `h${i}` }));
  return tinyStorm({
    hosts,
    origin: { ...tinyStorm().origin, bytesPerSecond: rate },
    packs: [{ chunks: CHUNKS }],
    images: [{ name: 'vm', runs: [{ pack: 0, firstChunk: 0, chunkCount: CHUNKS }] }],
    unshelves: hosts.map((_, i) => ({ host: i, image: 0, atMs: i === 11 ? 1500 : 0 })),
    faults,
    ...changes,
  });
}

/** With the times at which a seeder left. */
async function run(storm: Storm): Promise<SimulationResult & { readonly leftAtMs: readonly number[] }> {
  const leftAtMs: number[] = [];
  const trace: TraceSink = {
    begin: () => 0,
    end() {},
    mark(atMs, _place, _lane, name) {
      if (name === 'leaves') leftAtMs.push(atMs);
    },
  };
  return { ...(await simulate(storm, { trace })), leftAtMs };
}
const leave = (isOrderly: boolean, atMs = 1600): StormFault => ({ kind: 'seedersLeave', isOrderly, atMs });

describe('a seeder of the simulation that leaves', () => {
  test('in order waits until two may die after it, and all others finish', async () => {
    const { leftAtMs, report, broken } = await run(stormOf([leave(true)]));
    const [leftMs = 0] = leftAtMs;
    expect(leftAtMs.length).toBe(1);
    // When each piece had left it, but not everybody had got all.
    expect(leftMs).toBeGreaterThan(2700);
    expect(leftMs).toBeLessThan(1000 * report.makespanSeconds);
    expect([report.finished, broken]).toEqual([12, []]);
    const killed = [3, 7].map((index): StormFault => ({ kind: 'kill', host: index, atMs: leftMs + 1 }));
    const after = await run(stormOf([leave(true), ...killed]));
    expect(after.leftAtMs).toEqual([leftMs]);
    expect(after.report.finished).toBeGreaterThanOrEqual(10); // one that dies may have finished
    expect(after.broken).toEqual([]);
    expect(after.report.originAmplification).toBeLessThanOrEqual(1.01);
  });

  test('at once leaves chunks behind that nobody has', async () => {
    const { leftAtMs, report } = await run(stormOf([leave(false)]));
    expect([leftAtMs, report.finished]).toEqual([[], 0]);
  });

  test('in order when nobody needs anything, one question later', async () => {
    const late = { unshelves: [{ host: 0, image: 0, atMs: 3000 }] };
    const { leftAtMs, report } = await run(stormOf([leave(true, 100)], late));
    expect(leftAtMs[0]).toBeCloseTo(100 + 2 * 1.1);
    expect(report.finished).toBe(0); // it came too late
  });

  test('in order stays for a host that is held up, and not for ever for one that stays cut off', async () => {
    const last = { unshelves: [{ host: 0, image: 0, atMs: 0 }] };
    const stall: StormFault = { kind: 'stall', host: 0, atMs: 200, untilMs: 15_000 };
    const held = await run(stormOf([stall, leave(true)], last));
    expect([held.report.finished, held.broken]).toEqual([1, []]);
    expect(held.leftAtMs[0]).toBeGreaterThan(15_000);
    const cut: StormFault = { kind: 'partition', hosts: [0], atMs: 200, untilMs: Infinity };
    const { leftAtMs, broken } = await run(stormOf([cut, leave(true)], last));
    expect(leftAtMs[0]).toBeLessThan(30_000);
    expect(broken).toEqual([]);
  });
});
