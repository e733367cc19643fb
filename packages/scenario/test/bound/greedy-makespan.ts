import { shuffled } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { Storm } from '../../src/index.ts';
import { chunkBytes } from '../storms.ts';

const slotMs = 1000;

/**
 * Plays a storm without faults second by second with whole chunks: any holder gives any chunk that is missed, at random, within all links’ rates; what came
 * in one second can be passed on in the next. The origin gives only what no host holds. A schedule that could be, and so never below the bound.
 */
export function greedyMakespanMs(storm: Storm, random: Random): number {
  const name = (pack: number, chunk: number): string => `${pack}/${chunk}`;
  const chunksOf = (runs: Storm['images'][number]['runs']): string[] =>
    runs.flatMap((run) => Array.from({ length: run.chunkCount }, (_, i) => name(run.pack, run.firstChunk + i)));
  const held = storm.hosts.map(() => new Set<string>());
  for (const { host, run } of storm.holdings) for (const chunk of chunksOf([run])) held[host]?.add(chunk);
  const wanted = storm.hosts.map(() => new Set<string>());
  const lastMs = Math.max(...storm.unshelves.map(({ atMs }) => atMs));

  for (let nowMs = 0; ; nowMs += slotMs) {
    for (const { host, image, atMs } of storm.unshelves) {
      if (atMs > nowMs) continue;
      for (const chunk of chunksOf(storm.images[image]?.runs ?? []))
        if (!held[host]?.has(chunk)) wanted[host]?.add(chunk);
    }
    if (nowMs >= lastMs && wanted.every((chunks) => chunks.size === 0)) return nowMs;
    const left = (bytesPerSecond: number): { chunks: number } => ({ chunks: bytesPerSecond / chunkBytes });
    const up = storm.hosts.map((host) => left(host.upBytesPerSecond));
    const down = storm.hosts.map((host) => left(host.downBytesPerSecond));
    const into = storm.zones.map((zone) => left(zone.downBytesPerSecond));
    const origin = left(storm.origin.bytesPerSecond);
    const before = held.map((chunks) => new Set(chunks));
    const misses = wanted.flatMap((chunks, host) => [...chunks].map((chunk) => ({ host, chunk })));
    for (const { host, chunk } of shuffled(misses, random)) {
      const zone = storm.hosts[host]?.zone ?? 0;
      const holders = [...before.keys()].filter((holder) => before[holder]?.has(chunk));
      const givers = held.some((chunks) => chunks.has(chunk))
        ? shuffled(holders, random).map((holder) => ({
            link: up[holder],
            isInside: storm.hosts[holder]?.zone === zone,
          }))
        : [{ link: origin, isInside: false }];
      for (const { link, isInside } of givers) {
        const links = isInside ? [link, down[host]] : [link, down[host], into[zone]];
        if (links.some((each) => (each?.chunks ?? 0) < 1)) continue;
        for (const each of links) if (each) each.chunks -= 1;
        wanted[host]?.delete(chunk);
        held[host]?.add(chunk);
        break;
      }
    }
  }
}
