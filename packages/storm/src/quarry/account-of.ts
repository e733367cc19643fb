/** What the daemons' piece logs tell of a storm. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@quarry/runtime';
import { boundOf } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';
import type { AttemptAccount } from '../contestant.ts';
import { criticalPath } from '../critical-path/critical-path.ts';
import type { FetchSpan, LoggedMember } from '../critical-path/logged-storm.ts';
import { parseNodeLog } from '../critical-path/node-log.ts';
import type { NodeLog } from '../critical-path/node-log.ts';
import { sourcesByHost } from '../critical-path/sources-by-host.ts';
import { pieceLogName } from './node-flags.ts';
import type { Cluster } from './start-cluster.ts';

/** What whoever makes the unshelves saw of them. Unix milliseconds. */
export interface SeenStorm {
  /** Of the first thing that happened; Infinity: nothing did. */
  readonly startMs: number;
  /** Of the unshelve that ended last. */
  readonly last: (FetchSpan & { readonly host: number }) | undefined;
}

export interface StormWatch {
  noteBegin(): void;
  /** An unshelve begins; the function that is returned is called when it has ended well. */
  began(host: number): () => void;
  seen(): SeenStorm;
}

export function createStormWatch(clock: Clock): StormWatch {
  let startMs = Infinity;
  let last: SeenStorm['last'];
  const noteBegin = (): void => {
    startMs = Math.min(startMs, clock.wallMs());
  };
  return {
    noteBegin,
    began(host) {
      noteBegin();
      const beganMs = clock.wallMs();
      return () => {
        last = { host, beganMs, endedMs: clock.wallMs() };
      };
    },
    seen: () => ({ startMs, last }),
  };
}

export async function accountOf(storm: Storm, cluster: Cluster, { startMs, last }: SeenStorm): Promise<AttemptAccount> {
  const members: LoggedMember[] = [];
  const byHost = new Map<number, LoggedMember>();
  const usual = usualLink(storm);
  for (const { daemon, host } of cluster.members.values()) {
    const text = await readFile(join(daemon.directory, pieceLogName), 'utf8').catch(() => undefined);
    const { name = daemon.name, zone } = host === undefined ? { zone: undefined } : (storm.hosts[host] ?? {});
    const link = host === undefined ? storm.origin.bytesPerSecond : linkOf(storm, host);
    const member: LoggedMember = {
      peer: daemon.nodeId,
      name: host === undefined ? 'the seeder' : name,
      zone,
      role: host === undefined ? 'seeder' : 'node',
      log: text === undefined ? undefined : parseNodeLog(text),
      ...(host === undefined || link === usual ? {} : { linkBytesPerSecond: link }),
    };
    members.push(member);
    if (host !== undefined) byHost.set(host, member);
  }
  const during = storm.hosts
    .map((_, host) => sinceStart(byHost.get(host), startMs))
    .filter((each) => each !== undefined);
  const slowest = last && byHost.get(last.host);
  const logged = {
    startMs,
    linkBytesPerSecond: usual,
    originBytesPerSecond: storm.origin.bytesPerSecond,
    boundSeconds: boundOf(storm).boundMs / 1000,
    members,
  };
  return {
    sources: sourcesByHost(during, members),
    ...(slowest ? { criticalPath: criticalPath(logged, slowest, last) } : {}),
  };
}

/** Without what was fetched to prepare it. */
function sinceStart(member: LoggedMember | undefined, startMs: number): LoggedMember | undefined {
  if (!member?.log) return member;
  const log: NodeLog = {
    ...member.log,
    pieces: member.log.pieces.filter(({ present }) => present >= startMs),
    fetched: member.log.fetched.filter(({ at }) => at >= startMs),
  };
  return { ...member, log };
}

function linkOf({ hosts }: Storm, host: number): number {
  const { upBytesPerSecond = 0, downBytesPerSecond = 0 } = hosts[host] ?? {};
  return Math.min(upBytesPerSecond, downBytesPerSecond);
}

/** The median: what is otherwise is said of the host. */
function usualLink(storm: Storm): number {
  const links = storm.hosts.map((_, host) => linkOf(storm, host)).toSorted((a, b) => a - b);
  return links[links.length >> 1] ?? 0;
}
