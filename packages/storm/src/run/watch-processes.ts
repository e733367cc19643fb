import type { WatchedProcess } from '../contestant.ts';
import { cpuSecondsOf, peakRssMiBOf, pssMiBOf, treeOf } from './process-readings.ts';

/** What a storm cost in CPU and memory, by host. */
export interface ProcessCosts {
  /** Of all processes, also those that have come and gone meanwhile. */
  readonly cpuSeconds: number;
  readonly hosts: readonly HostCost[];
}

export interface HostCost {
  readonly cpuSeconds: number;
  /** Of its largest process. */
  readonly peakRssMiB: number;
  /** When all hosts together had most. */
  readonly pssMiB: number;
}

export interface ProcessWatch {
  /** Looks at the memory of all: once in a few seconds, since it costs. */
  look(): Promise<void>;
  /** From the start of the watch until now. */
  costs(): Promise<ProcessCosts>;
}

interface Reading {
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/**
 * Watches the processes that `list` names: trees of those that run for long. What short ones take that the harness starts itself (curl) is read from its own
 * account of children that have ended; one of the long ones that ends lands there too, and what it had taken before the watch began is subtracted.
 */
export async function watchProcesses(hostCount: number, list: () => readonly WatchedProcess[]): Promise<ProcessWatch> {
  const read = async (): Promise<Map<number, Reading>> => {
    const readings = new Map<number, Reading>();
    for (const { pid } of list()) {
      const tree = await treeOf(pid);
      const parts = await Promise.all(
        tree.map(async (member) => ({ cpu: await cpuSecondsOf(member), peak: await peakRssMiBOf(member) })),
      );
      const cpuSeconds = parts.reduce((sum, { cpu }) => sum + cpu.own + cpu.children, 0);
      readings.set(pid, { cpuSeconds, peakRssMiB: Math.max(0, ...parts.map(({ peak }) => peak)) });
    }
    return readings;
  };
  const before = await read();
  const harness = await cpuSecondsOf('self');
  let largest: readonly number[] = Array.from({ length: hostCount }, () => 0);
  const peaks = new Map<number, number>();
  const hostOf = new Map(list().map(({ pid, host }) => [pid, host]));
  return {
    async look() {
      const now = Array.from({ length: hostCount }, () => 0);
      for (const { pid, host } of list()) {
        hostOf.set(pid, host);
        for (const member of await treeOf(pid)) {
          peaks.set(pid, Math.max(peaks.get(pid) ?? 0, await peakRssMiBOf(member)));
          if (host !== undefined) now[host] = (now[host] ?? 0) + (await pssMiBOf(member));
        }
      }
      if (sum(now) > sum(largest)) largest = now;
    },
    async costs() {
      const after = await read();
      for (const { pid, host } of list()) hostOf.set(pid, host);
      const ended = (await cpuSecondsOf('self')).children - harness.children;
      const endedBefore = sum(
        [...before].flatMap(([pid, reading]) => ((after.get(pid)?.cpuSeconds ?? 0) > 0 ? [] : [reading.cpuSeconds])),
      );
      const hosts = largest.map((pssMiB) => ({ cpuSeconds: 0, peakRssMiB: 0, pssMiB }));
      let cpuSeconds = Math.max(0, ended - endedBefore);
      for (const [pid, reading] of after) {
        const taken = Math.max(0, reading.cpuSeconds - (before.get(pid)?.cpuSeconds ?? 0));
        cpuSeconds += taken;
        const host = hosts[hostOf.get(pid) ?? -1];
        if (host) host.cpuSeconds += taken;
      }
      for (const [pid, host] of hostOf) {
        const cost = hosts[host ?? -1];
        const peak = Math.max(peaks.get(pid) ?? 0, after.get(pid)?.peakRssMiB ?? 0);
        if (cost) cost.peakRssMiB = Math.max(cost.peakRssMiB, peak);
      }
      return { cpuSeconds, hosts };
    },
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
