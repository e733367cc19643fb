import { createSeededRandom } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';

/** A stream of chance for one purpose, so that a fault that is added to a file does not move its arrivals. */
export function scenarioRandom(seed: number, purpose: string): Random {
  let hash = 0x811c9dc5; // FNV-1a
  for (const letter of purpose) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return createSeededRandom((seed ^ hash) >>> 0);
}

/** Uniform in 0 … count - 1. */
export function randomIndex(count: number, random: Random): number {
  return Math.floor(random.next() * count);
}
