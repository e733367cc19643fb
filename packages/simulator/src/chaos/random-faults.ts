import type { Storm, StormFault } from '@quarry/scenario';
import type { Dice } from './dice.ts';

/** Kinds by how often they are tried. */
const kinds = [
  'kill',
  'kill',
  'kill',
  'stall',
  'stall',
  'slowLink',
  'slowCpu',
  'lie',
  'partition',
  'partition',
  'seedersLeave',
  'originFails',
] as const;

/** Most faults end within this time: one that lasts longer excuses everybody whom it touches. */
const SHORT_MS = 15_000;

/**
 * None to five faults of every kind, in the order of their times, most of them while something is going on. Nobody dies twice without a restart between;
 * at most a quarter of the hosts lies; where nodes cannot read the origin, seeders seldom leave.
 */
export function randomFaults(dice: Dice, storm: Storm, estimateMs: number): StormFault[] {
  const faults: StormFault[] = [];
  const dead = new Set<number>();
  const liars = new Set<number>();
  const hosts = storm.hosts.length;
  const host = (): number => dice.whole(0, hosts - 1);
  const count = dice.whole(0, 5);
  for (let i = 0; i < count; i += 1) {
    const atMs = dice.chance(0.1) ? 0 : dice.whole(1, estimateMs * dice.of([0.5, 1, 2]));
    const forMs = dice.between(20, SHORT_MS);
    const untilMs = dice.chance(0.04) ? Infinity : atMs + forMs;
    const kind = dice.of(kinds);
    switch (kind) {
      case 'kill': {
        const victim = host();
        if (dead.has(victim) || dead.size >= hosts / 2) break;
        dead.add(victim);
        faults.push({ kind, host: victim, atMs });
        if (dice.chance(0.6))
          faults.push({ kind: 'restart', host: victim, atMs: atMs + forMs, tornChunks: dice.of([0, 0, 1, 7, 40]) });
        break;
      }
      case 'stall':
        faults.push({ kind, host: host(), atMs, untilMs });
        break;
      case 'slowLink':
      case 'slowCpu':
        faults.push({ kind, host: host(), atMs, untilMs, factor: dice.between(0.1, 0.7) });
        break;
      case 'lie': {
        const liar = host();
        if (liars.size + 1 > hosts / 4 || liars.has(liar)) break;
        liars.add(liar);
        faults.push({ kind, host: liar, atMs, lie: dice.of(['badChunks', 'falseHaves']) });
        break;
      }
      case 'partition': {
        const some = storm.hosts.flatMap((_, index) => (dice.chance(0.4) ? [index] : []));
        if (some.length > 0) faults.push({ kind, hosts: some, atMs, untilMs });
        break;
      }
      case 'seedersLeave':
        if (storm.origin.seeders === 0 || faults.some((fault) => fault.kind === kind)) break;
        if (!storm.origin.isReadable && dice.chance(0.7)) break;
        faults.push({ kind, atMs, isOrderly: dice.chance(0.5) });
        break;
      case 'originFails':
        if (storm.origin.isReadable)
          faults.push({ kind, atMs, untilMs, how: dice.of(['errors', 'hangs', 'truncates']) });
        break;
    }
  }
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}
