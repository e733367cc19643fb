import { shuffled } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { UnshelvesTable } from '../format/scenario.ts';
import { msOf } from './scales.ts';
import type { Scales } from './scales.ts';
import { randomIndex } from './scenario-random.ts';

interface Visit {
  readonly host: number;
  readonly image: number;
  readonly atMs: number;
}

/** Who takes which image of `members` when: the unshelves, or shelves, of one table; in no order. */
export function expandWave(
  wave: UnshelvesTable,
  members: readonly number[],
  hostCount: number,
  scales: Scales,
  random: Random,
): Visit[] {
  const count = wave.count ?? hostCount;
  const hosts = dealtHosts(count, hostCount, random);
  const times = arrivals(wave, count, scales, random);
  const zipf = zipfSums(members.length, wave.exponent);
  return hosts.map((host, i) => ({
    host,
    image: members[chosen(wave, i, host, members.length, zipf, random)] ?? 0,
    atMs: times[i] ?? 0,
  }));
}

export function byTime(a: { readonly atMs: number }, b: { readonly atMs: number }): number {
  return a.atMs - b.atMs;
}

/** Round after round, each in a new order: as even as a placement can be. */
function dealtHosts(count: number, hostCount: number, random: Random): number[] {
  const all = Array.from({ length: hostCount }, (_, host) => host);
  const out: number[] = [];
  while (out.length < count) out.push(...shuffled(all, random).slice(0, count - out.length));
  return out;
}

function arrivals(wave: UnshelvesTable, count: number, scales: Scales, random: Random): number[] {
  const atMs = msOf(wave.at, scales);
  const overMs = msOf(wave.over, scales);
  if (wave.arrival === 'uniform') return Array.from({ length: count }, () => atMs + random.next() * overMs);
  let lastMs = atMs;
  return Array.from({ length: count }, () => {
    lastMs -= (Math.log(1 - random.next()) * overMs) / count;
    return lastMs;
  });
}

function chosen(
  wave: UnshelvesTable,
  i: number,
  host: number,
  imageCount: number,
  zipf: readonly number[],
  random: Random,
): number {
  if (wave.choose === 'first') return 0;
  if (wave.choose === 'own') return host % imageCount;
  if (wave.choose === 'each') return i % imageCount;
  if (wave.choose === 'uniform') return randomIndex(imageCount, random);
  const drawn = random.next() * (zipf.at(-1) ?? 0);
  return zipf.findIndex((sum) => drawn < sum);
}

function zipfSums(count: number, exponent: number): number[] {
  let sum = 0;
  return Array.from({ length: count }, (_, n) => (sum += 1 / (n + 1) ** exponent));
}
