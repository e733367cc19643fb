import { shuffled } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { FaultTable, HostShare, Scenario } from '../format/scenario.ts';
import type { StormFault } from '../storm.ts';
import { countOf } from './expand-hosts.ts';
import { byTime } from './expand-wave.ts';
import { impossible, msOf } from './scales.ts';
import type { Scales } from './scales.ts';
import { scenarioRandom } from './scenario-random.ts';

/** The faults of a storm by time; a restart comes after its kill. */
export function expandFaults(scenario: Scenario, hostCount: number, scales: Scales, seed: number): StormFault[] {
  const alive = new Set(Array.from({ length: hostCount }, (_, host) => host));
  const faults = scenario.faults.flatMap((fault, i) => {
    const random = scenarioRandom(seed, `faults ${i}`);
    const draw = (share: HostShare): number[] => {
      const from = fault.kind === 'kill' ? [...alive] : Array.from({ length: hostCount }, (_, host) => host);
      const count = countOf(share, hostCount);
      if (count > from.length)
        throw impossible(
          scenario,
          `faults[${i}] wants ${count} hosts, but only ${from.length} are there to choose from`,
        );
      const hosts = shuffled(from, random).slice(0, count);
      return hosts.toSorted((a, b) => a - b);
    };
    const expanded = expandFault(fault, draw, scales, random);
    for (const one of expanded) if (one.kind === 'kill') alive.delete(one.host);
    return expanded;
  });
  return faults.toSorted(byTime);
}

function expandFault(
  fault: FaultTable,
  draw: (share: HostShare) => number[],
  scales: Scales,
  random: Random,
): StormFault[] {
  const atMs = msOf(fault.at, scales);
  const untilMs = 'until' in fault ? msOf(fault.until, scales) : Infinity;
  switch (fault.kind) {
    case 'kill': {
      const { restartAfter, tornChunks } = fault;
      return draw(fault.hosts).flatMap((host): StormFault[] => {
        const diesMs = atMs + random.next() * msOf(fault.over, scales);
        const kill: StormFault = { kind: 'kill', host, atMs: diesMs };
        if (restartAfter === undefined) return [kill];
        return [kill, { kind: 'restart', host, atMs: diesMs + msOf(restartAfter, scales), tornChunks }];
      });
    }
    case 'stall':
      return draw(fault.hosts).map((host) => ({ kind: 'stall', host, atMs, untilMs }));
    case 'slowLink':
    case 'slowCpu': {
      const { kind, factor } = fault;
      return draw(fault.hosts).map((host) => ({ kind, host, atMs, untilMs, factor }));
    }
    case 'lie':
      return draw(fault.hosts).map((host) => ({ kind: 'lie', host, atMs, lie: fault.lie }));
    case 'partition':
      return [{ kind: 'partition', hosts: draw(fault.hosts), atMs, untilMs }];
    case 'seedersLeave':
      return [{ kind: 'seedersLeave', atMs, isOrderly: fault.isOrderly }];
    case 'originFails':
      return [{ kind: 'originFails', atMs, untilMs, how: fault.how }];
    default:
      return fault satisfies never;
  }
}
