import { readFile } from 'node:fs/promises';

/** Of all cores together since the machine started, in ticks of the kernel. */
export interface CpuTicks {
  readonly busy: number;
  readonly idle: number;
}

export async function readCpuTicks(): Promise<CpuTicks> {
  return parseCpuTicks(await readFile('/proc/stat', 'utf8'));
}

/**
 * The first line of /proc/stat (proc(5)). Waiting for a disk counts as busy, and so does what a hypervisor takes away: all hosts share this machine's disk, and one that keeps
 * them waiting is a limit of the machine, too.
 */
export function parseCpuTicks(stat: string): CpuTicks {
  const fields = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softirq = 0, stolen = 0] = fields;
  return { busy: user + nice + system + waiting + irq + softirq + stolen, idle };
}

/** Percent of the time between two readings; 0 where no time has passed. */
export function busyPercent(before: CpuTicks, after: CpuTicks): number {
  const busy = after.busy - before.busy;
  const all = busy + after.idle - before.idle;
  return all > 0 ? (100 * busy) / all : 0;
}
