import { describe, expect, it } from 'vitest';
import {
  FRAME_BYTES,
  FRAME_HEADER_BYTES,
  largestSegmentRun,
  shapeFor,
  UNLIMITED,
} from '../../src/network/link-shape.ts';
import { machinesOf, planNetwork } from '../../src/network/network-plan.ts';
import { MBIT, stormOf } from './storm-of.ts';

describe('the plan of a network', () => {
  it('gives every machine a name, an address and a port of its own, however many there are', () => {
    const storm = stormOf({ zones: Array.from({ length: 250 }, () => 8), mbit: 20, originMbit: 80 });
    const plan = planNetwork(storm, 'quarry-abc123-');
    const machines = machinesOf(plan);
    expect(machines.length).toBe(1 + 250 + 2000);
    for (const one of ['namespace', 'address', 'mac', 'port'] as const)
      expect(new Set(machines.map((machine) => machine[one])).size).toBe(machines.length);
    for (const { address, port } of machines) {
      expect(address).toMatch(/^10\.88\.(\d|\d\d|1\d\d|2[0-4]\d)\.([1-9]|\d\d|1\d\d|2[0-4]\d|250)$/);
      expect(port.length).toBeLessThanOrEqual(15);
    }
  });

  it('gives the same hosts the same addresses in every run', () => {
    const storm = stormOf({ zones: [3, 2], mbit: 20, originMbit: 80 });
    const addresses = ['quarry-a-', 'quarry-b-'].map((prefix) =>
      machinesOf(planNetwork(storm, prefix)).map(({ address }) => address),
    );
    expect(addresses[0]).toEqual(addresses[1]);
  });

  it('refuses more than it has addresses for', () => {
    const plan = (): unknown => planNetwork(stormOf({ zones: [2001], mbit: 20, originMbit: 80 }), 'quarry-a-');
    expect(plan).toThrow(expect.objectContaining({ code: 'STORM_UNSUPPORTED' }));
  });
});

describe('the shape of a link', () => {
  it('lets the longest run of segments through in one piece, with all headers, and ten connections wait, at any speed', () => {
    for (let mbit = 0.1; mbit < 40_000; mbit *= 1.7) {
      const runBytes = largestSegmentRun(mbit * MBIT);
      const segments = Math.ceil(runBytes / (FRAME_BYTES - FRAME_HEADER_BYTES));
      const shape = shapeFor(mbit * MBIT, runBytes);
      expect(shape.burstBytes).toBeGreaterThan(runBytes + segments * FRAME_HEADER_BYTES);
      expect(shape.queueBytes).toBeGreaterThan(20 * runBytes);
    }
  });

  it('is no limit where the storm has none', () => {
    expect(shapeFor(Infinity, 65_536)).toBe(UNLIMITED);
  });
});
