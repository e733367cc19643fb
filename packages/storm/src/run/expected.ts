import type { Storm } from '@quarry/scenario';
import { expectedToFinish } from '@quarry/simulator';

/**
 * Which unshelves must finish. Of Quarry what the simulator demands too; of all others what no fault touches that has to do with them: their host lives, and
 * neither it nor Glance is cut off or fails for good.
 */
export function expectedOf(storm: Storm, contestant: string): ReadonlySet<number> {
  if (contestant === 'quarry') return expectedToFinish(storm);
  const isTouched = storm.faults.some((fault) => fault.kind === 'originFails' || fault.kind === 'partition');
  const killed = new Set(storm.faults.flatMap((fault) => (fault.kind === 'kill' ? [fault.host] : [])));
  return new Set(storm.unshelves.flatMap(({ host }, index) => (isTouched || killed.has(host) ? [] : [index])));
}
