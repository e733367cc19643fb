import { linkOf } from './logged-storm.ts';
import type { LoggedStorm } from './logged-storm.ts';
import { arrivalOf } from './time-use.ts';

/** Who sent something to whom, and from when to when; Unix milliseconds. */
export interface Transfer {
  readonly fromMs: number;
  readonly toMs: number;
}

/** All that went over the links of a storm, as the receivers' logs tell it. */
export interface Transfers {
  /** How many transfers were under way out of a peer, on average over the time. */
  out(peer: string, during: Transfer): number;
  /** The same, into it. */
  into(peer: string, during: Transfer): number;
}

export function transfersOf(storm: LoggedStorm): Transfers {
  const out = new Map<string, Transfer[]>();
  const into = new Map<string, Transfer[]>();
  const add = (map: Map<string, Transfer[]>, peer: string, transfer: Transfer): void => {
    const known = map.get(peer);
    if (known) known.push(transfer);
    else map.set(peer, [transfer]);
  };
  for (const member of storm.members) {
    const link = linkOf(storm, member);
    const note = (from: string | undefined, transfer: Transfer): void => {
      add(into, member.peer, transfer);
      if (from !== undefined) add(out, from, transfer);
    };
    for (const piece of member.log?.pieces ?? []) note(piece.from, arrivalOf(piece, link));
    for (const { from, at, asked, bytes = 0 } of member.log?.refused ?? []) {
      if (bytes > 0) note(from, { fromMs: Math.max(asked, at - (1000 * bytes) / link), toMs: at });
    }
  }
  return {
    out: (peer, during) => meanOf(out.get(peer) ?? [], during),
    into: (peer, during) => meanOf(into.get(peer) ?? [], during),
  };
}

function meanOf(transfers: readonly Transfer[], { fromMs, toMs }: Transfer): number {
  const ms = toMs - fromMs;
  if (ms <= 0) return 1;
  let sum = 0;
  for (const one of transfers) sum += Math.max(0, Math.min(one.toMs, toMs) - Math.max(one.fromMs, fromMs));
  return Math.max(1, Math.round(sum / ms));
}
