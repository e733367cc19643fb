import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { errorCode } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import { runTool } from './run-tool.ts';

/**
 * A run of the harness leaves traces outside of its process: namespaces, a directory, what runs in the namespaces. Its marker names them; it is written before the
 * first of them is made and goes after the last. A marker whose process is gone is a run that was killed, and whoever comes next removes it.
 */
export interface RunMarker {
  readonly run: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, and the boot that it counts from: a number of a process comes back, this pair does not. */
  readonly startTicks: string;
  readonly bootId: string;
  /** Goes with the run; its name begins with `quarry-`. */
  readonly directory?: string;
}

const MARKERS = '/run/quarry-storm';
const NAMESPACES = '/run/netns';

export function namespacePrefix(run: string): string {
  return `quarry-${run}-`;
}

export function namespacePath(name: string): string {
  return join(NAMESPACES, name);
}

/** @throws StormError STORM_BAD_ARGUMENT for a directory that a run must not remove */
export async function markRun(run: string, directory: string | undefined): Promise<RunMarker> {
  if (directory !== undefined && !(isAbsolute(directory) && basename(directory).startsWith('quarry-')))
    throw new StormError(
      'STORM_BAD_ARGUMENT',
      `${directory} would be removed with the run: give an absolute path whose last part begins with "quarry-"`,
    );
  const startTicks = await startTicksOf(process.pid);
  if (startTicks === undefined) throw new StormError('STORM_IMPOSSIBLE_HERE', '/proc does not show this process');
  const marker = {
    run,
    pid: process.pid,
    startTicks,
    bootId: await bootId(),
    ...(directory !== undefined && { directory }),
  };
  await mkdir(MARKERS, { recursive: true, mode: 0o700 });
  await writeFile(`${markerPath(run)}.new`, JSON.stringify(marker), { mode: 0o600 });
  await rename(`${markerPath(run)}.new`, markerPath(run)); // whole or not at all
  return marker;
}

/** Removes what runs left whose process is gone; resolves with their ids. A run whose process lives is never touched. */
export async function removeStaleRuns({ clock }: { readonly clock: Clock }): Promise<readonly string[]> {
  const names = await readdir(MARKERS).catch(ifAbsent<readonly string[]>([]));
  const removed: string[] = [];
  for (const name of names.filter((file) => file.endsWith('.json'))) {
    const marker = parseMarker(await readFile(join(MARKERS, name), 'utf8').catch(ifAbsent('')));
    if (!marker || `${marker.run}.json` !== name || (await isAlive(marker))) continue;
    await removeRun(marker, { clock });
    removed.push(marker.run);
  }
  return removed;
}

/** Kills what runs in the run's namespaces, removes them, its directory and at last its marker. What is gone already is fine. */
export async function removeRun(marker: RunMarker, { clock }: { readonly clock: Clock }): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const names = await namespacesOf(marker.run);
    if (names.length === 0) break;
    if (attempt > REMOVE_TRIES)
      throw new StormError('STORM_PART_FAILED', `cannot remove the network namespaces ${names.join(', ')}`);
    await killAllIn(names, clock);
    // Hundreds in one process. It complains of those that another run, which cleans up too, has just removed: what is left counts.
    const input = names.map((name) => `netns delete ${name}\n`).join('');
    await runTool('ip', ['-force', '-batch', '-'], { input }).catch(() => {});
  }
  if (marker.directory !== undefined) await rm(marker.directory, { recursive: true, force: true, maxRetries: 3 });
  await rm(markerPath(marker.run), { force: true });
}

async function namespacesOf(run: string): Promise<readonly string[]> {
  return (await readdir(NAMESPACES).catch(ifAbsent<readonly string[]>([]))).filter((name) =>
    name.startsWith(namespacePrefix(run)),
  );
}

const REMOVE_TRIES = 5;
const KILL_TRIES = 100;

/** SIGKILL, until none is left: one that was just about to start another may have got it through. */
async function killAllIn(names: readonly string[], clock: Clock): Promise<void> {
  for (let attempt = 0; attempt < KILL_TRIES; attempt += 1) {
    const pids = await processesIn(names);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if (errorCode(error) !== 'ESRCH') throw error;
      }
    }
    await clock.sleep(20);
  }
  throw new StormError('STORM_PART_FAILED', `processes ${(await processesIn(names)).join(', ')} do not die`);
}

/** One walk through /proc for all of them: `ip netns pids` walks once for each. */
export async function processesIn(names: readonly string[]): Promise<readonly number[]> {
  const inodes = new Set<number>();
  for (const name of names) {
    const found = await stat(namespacePath(name)).catch(ifAbsent(undefined));
    if (found) inodes.add(found.ino);
  }
  if (inodes.size === 0) return [];
  const pids: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    // A zombie has no namespace any more, a process that has just ended no entry.
    const found = await stat(`/proc/${entry}/ns/net`).catch(() => undefined);
    if (found && inodes.has(found.ino)) pids.push(Number(entry));
  }
  return pids;
}

async function isAlive(marker: RunMarker): Promise<boolean> {
  return marker.bootId === (await bootId()) && (await startTicksOf(marker.pid)) === marker.startTicks;
}

async function startTicksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold spaces; the start is field 22. A zombie (field 3) is dead.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function parseMarker(text: string): RunMarker | undefined {
  try {
    const value = JSON.parse(text) as Partial<Record<keyof RunMarker, unknown>> | null;
    if (typeof value?.run !== 'string' || !/^[a-z0-9]+$/.test(value.run)) return undefined;
    if (typeof value.pid !== 'number' || typeof value.startTicks !== 'string' || typeof value.bootId !== 'string')
      return undefined;
    const { run, pid, startTicks, bootId: boot, directory } = value;
    return { run, pid, startTicks, bootId: boot, ...(typeof directory === 'string' && { directory }) };
  } catch {
    return undefined; // half written, or not ours
  }
}

function markerPath(run: string): string {
  return join(MARKERS, `${run}.json`);
}

function ifAbsent<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (errorCode(error) === 'ENOENT') return value;
    throw error;
  };
}
