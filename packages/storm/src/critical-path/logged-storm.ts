import type { NodeLog } from './node-log.ts';

/** A storm after it is over, as the logs of its daemons tell it. All clocks are those of one machine. */
export interface LoggedStorm {
  /** When it began; Unix milliseconds. */
  readonly startMs: number;
  /** Of a host, and out of the origin's place, where the seeders are. */
  readonly linkBytesPerSecond: number;
  readonly originBytesPerSecond: number;
  readonly boundSeconds: number;
  readonly members: readonly LoggedMember[];
}

export interface LoggedMember {
  /** Peer id. */
  readonly peer: string;
  /** As in the storm: `host-07`; of a seeder: `the seeder`. */
  readonly name: string;
  /** Rack; undefined: outside of every one. */
  readonly zone: number | undefined;
  readonly role: 'node' | 'seeder';
  /** Undefined: its log is gone, or it never had one. */
  readonly log: NodeLog | undefined;
  /** Where its link is not as fast as the others'. */
  readonly linkBytesPerSecond?: number | undefined;
}

export function linkOf(storm: LoggedStorm, member: LoggedMember | undefined): number {
  const usual = member?.role === 'seeder' ? storm.originBytesPerSecond : storm.linkBytesPerSecond;
  return member?.linkBytesPerSecond ?? usual;
}

/** From when to when an image was fetched; Unix milliseconds. */
export interface FetchSpan {
  readonly beganMs: number;
  readonly endedMs: number;
}

/** The host's fetch that ended last, as far as its log tells; undefined if it says nothing of any. */
export function lastFetchOf({ log }: LoggedMember): FetchSpan | undefined {
  const last = log?.fetched.findLast(({ ok }) => ok) ?? log?.fetched.at(-1);
  return last && { beganMs: last.began, endedMs: last.at };
}
