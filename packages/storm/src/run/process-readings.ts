import { readdir, readFile } from 'node:fs/promises';

/** USER_HZ: what proc(5) counts time in on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU of a process and its threads, with what its children took that have ended. 0 for one that is gone. */
export async function cpuSecondsOf(pid: number | 'self'): Promise<{ readonly own: number; readonly children: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // the name in parentheses may hold spaces; utime, stime, cutime and cstime are the 14th to 17th field of all
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (from: number): number =>
    (Number(fields[from] ?? 0) + Number(fields[from + 1] ?? 0)) / TICKS_PER_SECOND;
  return { own: seconds(11), children: seconds(13) };
}

/** Peak of the resident set, in MiB. 0 for one that is gone. */
export async function peakRssMiBOf(pid: number): Promise<number> {
  return kibIn(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''), 'VmHWM') / 1024;
}

/** Proportional set size: what is shared counts for each by its part. Reading it takes the kernel a millisecond or more. 0 for one that is gone. */
export async function pssMiBOf(pid: number): Promise<number> {
  return kibIn(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''), 'Pss') / 1024;
}

/** A process and all its descendants that live. */
export async function treeOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  const children = lists.join(' ').split(/\s+/).filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map((child) => treeOf(child)))).flat()];
}

function kibIn(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
}
