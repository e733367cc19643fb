import { readFile } from 'node:fs/promises';

export interface ProcessUsage {
  /** User and system time of all threads so far. */
  readonly cpuSeconds: number;
  /** Largest resident memory so far. */
  readonly peakRssBytes: number;
}

/** USER_HZ: what proc(5) counts time in on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** From /proc, so that what is measured need not measure itself; zeros for a process that has gone. */
export async function processUsage(pid: number): Promise<ProcessUsage> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ]);
    // the name in parentheses may hold spaces: fields are counted from behind it; utime and stime are the 14th and 15th of all
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const peakKib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return { cpuSeconds: ticks / TICKS_PER_SECOND, peakRssBytes: peakKib * 1024 };
  } catch {
    return { cpuSeconds: 0, peakRssBytes: 0 };
  }
}
