import { packBytes } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { commonOrder, memberKey, textKey } from './rendezvous.ts';

/** Pieces in one run at most, however small they are: a run is walked at every decision about it. */
const MAX_RUN_PIECES = 64;

/** Who reads what of one pack from the last resort. Run _r_ holds the pieces from r × runPieces on, runPieces of them; the last may be shorter. */
export interface LeaseState {
  /** The other members that want the pack, */
  wanters: readonly PeerId[];
  /** and their rendezvous keys, worked out when they are first needed; and this node's own. */
  rivals: readonly { readonly id: PeerId; readonly key: number }[] | undefined;
  readonly ownKey: number;
  readonly runPieces: number;
  readonly runs: readonly RunState[];
  /** Runs in the order that all nodes share, and the place of each run in it. Packs are in the order of their keys. */
  readonly order: Uint16Array;
  readonly positions: Uint16Array;
  readonly packKey: number;
  /** Per run: whether this node comes first among all members; undefined until asked, and after the members changed. */
  firsts: Uint8Array | undefined;
  /** Since when no seeder could give the pack's open chunks; undefined while one can. */
  sinceMs: number | undefined;
}

export interface RunState {
  /** Who is before this node in line; undefined until somebody asks, and after the members changed. */
  turn: RunTurn | undefined;
  /** When it came to be among the runs that may begin: nobody can be late before. */
  dueAtMs: number | undefined;
  /** When another node last let a piece of it be seen that nobody had shown. */
  shownAtMs: number;
  /** When somebody who comes before this node was first seen to be beyond this run. */
  passedAtMs: number | undefined;
  /** Reading it failed: others are tried first. */
  notBeforeMs: number;
}

export interface RunTurn {
  /** How many come before this node; 0: it is the first. */
  readonly rank: number;
  /** Who comes first; undefined when it is this node. */
  readonly leader: PeerId | undefined;
  /** All that come before this node, if they are few. */
  readonly before: readonly PeerId[];
}

export function createLeaseState(descriptor: PackDescriptor, self: PeerId, runBytes: number): LeaseState {
  const { id, pieceCount } = descriptor;
  const runPieces = runPiecesOf(descriptor, runBytes);
  const runCount = Math.ceil(pieceCount / runPieces);
  const order = commonOrder(id, runCount);
  const positions = new Uint16Array(runCount);
  for (const [position, run] of order.entries()) positions[run] = position;
  return {
    wanters: [],
    rivals: undefined,
    ownKey: memberKey(self, id),
    runPieces,
    runs: Array.from({ length: runCount }, () => ({
      turn: undefined,
      dueAtMs: undefined,
      shownAtMs: -Infinity,
      passedAtMs: undefined,
      notBeforeMs: 0,
    })),
    order,
    positions,
    packKey: textKey(id),
    firsts: undefined,
    sinceMs: undefined,
  };
}

/** Follows from the descriptor alone, so that all nodes divide a pack alike: as many pieces of the pack's mean size as `runBytes` holds. */
function runPiecesOf(descriptor: PackDescriptor, runBytes: number): number {
  const { pieceCount } = descriptor;
  const fitting = Math.floor((runBytes * pieceCount) / packBytes(descriptor));
  return Math.max(1, Math.min(MAX_RUN_PIECES, pieceCount, fitting));
}

/** A holder has gone: what it alone showed is due from now on, or every rank would think that those before it are late. */
export function restartTurns(lease: LeaseState): void {
  for (const run of lease.runs) run.dueAtMs = undefined;
}

/** The other members that want the pack are these. */
export function setRivals(lease: LeaseState, members: readonly PeerId[]): void {
  lease.wanters = members;
  lease.rivals = undefined;
  for (const run of lease.runs) run.turn = undefined;
}
