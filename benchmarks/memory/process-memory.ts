import { readFileSync, readdirSync } from 'node:fs';

const KIB = 1024;

/** What one process takes, in bytes. */
export interface ProcessMemory {
  /** All pages that are in memory, those of the program file included, which every other Node process of the machine uses too. */
  readonly rssBytes: number;
  /** The same, with each shared page divided by the number of processes that have it. */
  readonly pssBytes: number;
  /** What would be free without it: its heap, stacks and buffers. */
  readonly privateBytes: number;
}

/** @throws where there is no /proc (only Linux has it), and for a process that is no more */
export function readProcessMemory(pid: number): ProcessMemory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * KIB;
  return {
    rssBytes: field('Rss'),
    pssBytes: field('Pss'),
    privateBytes: field('Private_Clean') + field('Private_Dirty'),
  };
}

export function countOpenFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
