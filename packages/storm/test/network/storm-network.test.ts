import { createLifecycle, systemClock } from '@quarry/runtime';
import { afterEach, expect, it } from 'vitest';
import { createStormNetwork } from '../../src/network/create-storm-network.ts';
import type { LinkCounters, NetworkCounters, Place, StormNetwork } from '../../src/storm-network.ts';
import { describeWithNetwork } from './describe-with-network.ts';
import { canReach, sendWithoutEnd, transfer } from './in-place.ts';
import { MBIT, stormOf } from './storm-of.ts';
import type { SmallStorm } from './storm-of.ts';

/** Machines that run tests are busy: a process that counts may be late by a tenth of what it measures. */
const TOLERANCE = 0.12;

describeWithNetwork('a network of namespaces', () => {
  const lifecycles: ReturnType<typeof createLifecycle>[] = [];
  afterEach(async () => {
    for (const lifecycle of lifecycles.splice(0)) await lifecycle.close();
  });
  const make = async (storm: SmallStorm): Promise<StormNetwork> => {
    const lifecycle = createLifecycle();
    lifecycles.push(lifecycle);
    const options = { storm: stormOf(storm), signal: lifecycle.signal };
    return await createStormNetwork({ clock: systemClock, lifecycle }, options);
  };

  it('has links as fast as the storm says, in both directions', { timeout: 30_000 }, async ({ signal }) => {
    const network = await make({ zones: [2], mbit: 20, originMbit: 60 });
    await expect(network.calibrate({ signal })).rejects.toMatchObject({ code: 'STORM_BAD_ARGUMENT' });
    await network.shape({ signal });
    const found = await network.calibrate({ signal });
    expect(found.map(({ link }) => link)).toEqual(['host-0 down', 'host-0 up', 'origin up']);
    for (const { setBytesPerSecond, measuredBytesPerSecond } of found) {
      expect(Math.abs(measuredBytesPerSecond / setBytesPerSecond - 1)).toBeLessThan(TOLERANCE);
    }
  });

  it('lets a rack share its uplink, and slows a host down', { timeout: 30_000 }, async ({ signal }) => {
    const network = await make({ zones: [2, 1], mbit: 20, originMbit: 80, uplinkMbit: 24 });
    await network.shape({ signal });
    await network.setLinkFactor(2, 0.25, { signal });
    const stop = await sendWithoutEnd(network.origin, network.hosts);
    const look = async (): Promise<Look> => {
      const fromMs = systemClock.now();
      const counters = await network.counters({ signal });
      return { fromMs, toMs: systemClock.now(), counters };
    };
    const first = await look();
    let last = first;
    while (bytesOf(last.counters.rackIn[0]) < bytesOf(first.counters.rackIn[0]) + 5e6) last = await look();
    await stop();
    // However long the looks took: what came must have come between the outer ends, and filled the time between the inner ones.
    const mostSeconds = (last.toMs - first.fromMs) / 1000;
    const leastSeconds = (last.fromMs - first.toMs) / 1000;
    const expectRate = (pick: (counters: NetworkCounters) => LinkCounters | undefined, mbit: number): void => {
      const megabits = (bytesOf(pick(last.counters)) - bytesOf(pick(first.counters))) / MBIT;
      expect(megabits).toBeLessThan(mbit * 1.03 * mostSeconds + 1);
      expect(megabits).toBeGreaterThan(mbit * 0.9 * leastSeconds);
    };
    expectRate(({ rackIn }) => rackIn[0], 24);
    expectRate(({ rackIn }) => rackIn[1], 5);
    expectRate(({ hostIn }) => hostIn[2], 5);
    expectRate(({ originOut }) => originOut, 29);
  });

  it('counts every segment with its headers, and goes on counting when links change', { timeout: 20_000 }, async ({
    signal,
  }) => {
    const network = await make({ zones: [1, 1], mbit: 400, originMbit: 400 });
    const [a, b] = network.hosts as readonly [Place, Place];
    const bytes = 3_000_000;
    const segments = bytes / 1448;
    const before = await network.counters({ signal });
    expect(await transfer(network.origin, a, bytes)).toBe(bytes);
    await network.shape({ signal });
    expect(await transfer(a, b, bytes)).toBe(bytes);
    await network.unshape({ signal });
    const after = await network.counters({ signal });
    const rise = (one: keyof LinkCounters, pick: (counters: NetworkCounters) => LinkCounters | undefined): number =>
      (pick(after)?.[one] ?? 0) - (pick(before)?.[one] ?? 0);
    for (const pick of [
      (counters: NetworkCounters) => counters.originOut,
      (counters: NetworkCounters) => counters.hostIn[0],
      (counters: NetworkCounters) => counters.hostIn[1],
      (counters: NetworkCounters) => counters.rackIn[1],
      (counters: NetworkCounters) => counters.hostOut[0],
    ]) {
      // Acknowledgements of what goes the other way come on top, and a segment may have to be sent again.
      expect(rise('packets', pick)).toBeGreaterThan(segments * 0.97);
      expect(rise('bytes', pick)).toBeGreaterThan((bytes + segments * 66) * 0.99);
      expect(rise('bytes', pick)).toBeLessThan((bytes + segments * 66) * 1.06);
    }
    expect(rise('bytes', (counters) => counters.hostOut[1])).toBeLessThan(bytes * 0.05);
  });

  it('cuts hosts off from all others, who reach each other, and heals', { timeout: 30_000 }, async ({ signal }) => {
    const network = await make({ zones: [2, 2], mbit: 20, originMbit: 60 });
    const [a, b, c, d] = network.hosts as readonly [Place, Place, Place, Place];
    const reached = async (): Promise<unknown> => {
      const ways = {
        inside: [a, d],
        outside: [b, c],
        across: [a, b],
        back: [c, d],
        store: [a, network.origin],
      } as const;
      const found = Object.entries(ways).map(async ([way, [from, to]]) => [way, await canReach(from, to)]);
      return Object.fromEntries(await Promise.all(found));
    };
    const all = { inside: true, outside: true, across: true, back: true, store: true };
    expect(await reached()).toEqual(all);
    await network.setCutOff([3, 0], true, { signal });
    expect(await reached()).toEqual({ ...all, across: false, back: false, store: false });
    await network.setCutOff([0, 3], false, { signal });
    expect(await reached()).toEqual(all);
    await network.setCutOff([0], true, { signal });
    await network.setCutOff([3], true, { signal });
    expect(await reached()).toEqual({ outside: true, inside: false, across: false, back: false, store: false });
    await network.unshape({ signal });
    expect(await reached()).toEqual(all);
  });

  it('refuses a host that is not there, and a factor that is none', async ({ signal }) => {
    const network = await make({ zones: [1], mbit: 20, originMbit: 60 });
    await network.shape({ signal });
    for (const attempt of [
      network.setLinkFactor(1, 0.5, { signal }),
      network.setLinkFactor(0, 0, { signal }),
      network.setLinkFactor(0, 1.5, { signal }),
      network.setCutOff([0, 7], true, { signal }),
    ])
      await expect(attempt).rejects.toMatchObject({ code: 'STORM_BAD_ARGUMENT' });
  });
});

interface Look {
  readonly fromMs: number;
  readonly toMs: number;
  readonly counters: NetworkCounters;
}

function bytesOf(counters: LinkCounters | undefined): number {
  if (!counters) throw new Error('there are no such counters');
  return counters.bytes;
}
