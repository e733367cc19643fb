import { expect } from 'vitest';
import type { Storm, StormRun } from '../src/index.ts';

/** Whatever a storm names exists, lies where it can lie, and happens at a time that comes. */
export function expectSound(storm: Storm): void {
  const isHost = (host: number): boolean => Number.isInteger(host) && host >= 0 && host < storm.hosts.length;
  const isTime = (ms: number): boolean => Number.isFinite(ms) && ms >= 0;
  const liesInPack = ({ pack, firstChunk, chunkCount }: StormRun): boolean =>
    chunkCount > 0 && firstChunk >= 0 && firstChunk + chunkCount <= (storm.packs[pack]?.chunks ?? 0);
  for (const pack of storm.packs) expect(pack.chunks > 0 && pack.chunks <= 4096).toBe(true);
  for (const image of storm.images) {
    expect(image.runs.length).toBeGreaterThan(0);
    expect(image.runs.every(liesInPack)).toBe(true);
  }
  for (const host of storm.hosts) {
    expect(storm.zones[host.zone]).toBeDefined();
    expect(Math.min(host.upBytesPerSecond, host.downBytesPerSecond, host.diskWriteBytesPerSecond)).toBeGreaterThan(0);
  }
  for (const zone of storm.zones) expect(Math.min(zone.upBytesPerSecond, zone.downBytesPerSecond)).toBeGreaterThan(0);
  for (const { host, image, atMs } of [...storm.unshelves, ...storm.shelves]) {
    expect(isHost(host) && storm.images[image] !== undefined && isTime(atMs)).toBe(true);
  }
  for (const { host, run } of storm.holdings) expect(isHost(host) && liesInPack(run)).toBe(true);
  for (const fault of storm.faults) {
    expect(isTime(fault.atMs)).toBe(true);
    if ('host' in fault) expect(isHost(fault.host)).toBe(true);
    if ('hosts' in fault) expect(fault.hosts.every(isHost)).toBe(true);
    if ('untilMs' in fault) expect(fault.untilMs).toBeGreaterThan(fault.atMs);
  }
}
