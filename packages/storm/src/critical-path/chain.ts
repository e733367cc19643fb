import type { PieceLine, RefusedLine } from '@quarry/daemon';
import { lastFetchOf, linkOf } from './logged-storm.ts';
import type { FetchSpan, LoggedMember, LoggedStorm } from './logged-storm.ts';
import { pieceKey } from './node-log.ts';
import { arrivalOf } from './time-use.ts';
import { transfersOf } from './transfers.ts';
import type { Transfers } from './transfers.ts';
import { waitBeforeAsking } from './wait-before-asking.ts';
import type { AskingWait } from './wait-before-asking.ts';

/** One way of the piece: from who had it to who got it. */
export interface Hop {
  readonly receiver: LoggedMember;
  readonly piece: PieceLine;
  /** Undefined: it was read from the origin, or came from somebody of whom nothing is known. */
  readonly sender: LoggedMember | undefined;
  /** Since when the sender had it. */
  readonly had: Had;
  /** From when the sender had it until the receiver has it, without a gap. */
  readonly phases: readonly Phase[];
  /** Whom the receiver had asked for the same piece before, in vain. */
  readonly attempts: readonly RefusedLine[];
  /** How many transfers were under way beside it, itself included. */
  readonly sharedOut: number;
  readonly sharedIn: number;
}

export type Had =
  | { readonly how: 'received' | 'appeared'; readonly atMs: number }
  /** Its log begins before and says nothing: it was there when the daemon started. */
  | { readonly how: 'always' }
  /** There is no log. */
  | { readonly how: 'unknown' };

export type PhaseKind =
  | keyof AskingWait
  /** The request was on its way. */
  | 'request'
  /** It waited at the sender for its turn. */
  | 'turn'
  /** The sender read it from its disk. */
  | 'senderDisk'
  /** Until the first byte was here; where the sender has no log, from the question on. */
  | 'firstByte'
  | 'budget'
  | 'transfer'
  | 'verifying'
  | 'writing';

export interface Phase {
  readonly kind: PhaseKind;
  readonly ms: number;
  /** What it takes where nothing is in the way. */
  readonly idealMs: number;
}

/** A piece goes round in fewer; more would be a mistake in the logs. */
const MAX_HOPS = 24;

/** The way of the piece that was the last to come to a host, hop by hop back to where it was first; empty if nothing came. */
export function chainTo(storm: LoggedStorm, host: LoggedMember, span: FetchSpan): readonly Hop[] {
  const byPeer = new Map(storm.members.map((member) => [member.peer, member]));
  const transfers = transfersOf(storm);
  const hops: Hop[] = [];
  let receiver: LoggedMember | undefined = host;
  let piece = host.log?.pieces.findLast(({ present }) => present <= span.endedMs && present >= span.beganMs);
  while (receiver && piece && hops.length < MAX_HOPS) {
    const sender: LoggedMember | undefined = piece.from === undefined ? undefined : byPeer.get(piece.from);
    const earlier: PieceLine | undefined = sender && arrivalAt(sender, piece);
    const beganMs = receiver === host ? span.beganMs : lastFetchBefore(receiver, piece.asked);
    hops.push(hopOf(storm, transfers, { receiver, piece, sender, had: hadBy(sender, piece, earlier), beganMs }));
    receiver = sender;
    piece = earlier;
  }
  return hops;
}

/** How the sender got what it sent; undefined: not by a request that its log tells of. */
function arrivalAt({ log, role }: LoggedMember, sent: PieceLine): PieceLine | undefined {
  if (role === 'seeder') return undefined;
  return log?.byPiece
    .get(pieceKey(sent))
    ?.findLast(({ present, plain, duplicate = 0 }) => present < sent.whole && duplicate < plain);
}

function hadBy(sender: LoggedMember | undefined, piece: PieceLine, earlier: PieceLine | undefined): Had {
  if (earlier) return { how: 'received', atMs: earlier.present };
  if (sender?.role === 'seeder') return { how: 'always' };
  if (!sender?.log) return { how: 'unknown' };
  const atMs = sender.log.appeared.get(pieceKey(piece));
  return atMs !== undefined && atMs < piece.whole ? { how: 'appeared', atMs } : { how: 'always' };
}

function lastFetchBefore(member: LoggedMember, atMs: number): number | undefined {
  return member.log?.fetched.findLast(({ began }) => began <= atMs)?.began ?? lastFetchOf(member)?.beganMs;
}

function hopOf(
  storm: LoggedStorm,
  transfers: Transfers,
  parts: Pick<Hop, 'receiver' | 'piece' | 'sender' | 'had'> & { readonly beganMs: number | undefined },
): Hop {
  const { receiver, piece, sender, had, beganMs } = parts;
  const during = arrivalOf(piece, linkOf(storm, receiver));
  const attempts = (receiver.log?.refused ?? []).filter(
    (one) =>
      one.pack === piece.pack && one.piece === piece.piece && one.asked < piece.asked && one.asked >= (beganMs ?? 0),
  );
  const knownSinceMs = 'atMs' in had ? had.atMs : undefined;
  const told = sender?.log?.told.get(pieceKey(piece))?.find((atMs) => atMs >= (knownSinceMs ?? 0));
  const waited = waitBeforeAsking(receiver.log, {
    fromMs: Math.max(knownSinceMs ?? piece.asked, storm.startMs),
    beganMs,
    toldMs: told,
    askedMs: piece.asked,
    attempts,
  });
  const phases = Object.entries(waited).map(([kind, ms]) => ({ kind: kind as keyof AskingWait, ms, idealMs: 0 }));
  return {
    receiver,
    piece,
    sender,
    had,
    attempts,
    phases: [...phases, ...phasesAfterAsking(piece, receiver, sender, linkOf(storm, receiver))].filter(
      ({ ms }) => ms > 0,
    ),
    sharedOut: piece.from === undefined ? 1 : transfers.out(piece.from, during),
    sharedIn: transfers.into(receiver.peer, during),
  };
}

function phasesAfterAsking(
  piece: PieceLine,
  receiver: LoggedMember,
  sender: LoggedMember | undefined,
  linkBytesPerSecond: number,
): Phase[] {
  const { asked, whole, verified, present, wire, waited = 0 } = piece;
  const { fromMs } = arrivalOf(piece, linkBytesPerSecond);
  const sent = sender?.log?.sent.find(
    (one) =>
      one.pack === piece.pack &&
      one.piece === piece.piece &&
      one.to === receiver.peer &&
      one.asked <= whole &&
      one.ended >= asked &&
      one.broken !== true,
  );
  const phases: Phase[] = [];
  let atMs = asked;
  const until = (kind: PhaseKind, untilMs: number, idealMs = 0): void => {
    const toMs = Math.max(atMs, Math.min(untilMs, present));
    phases.push({ kind, ms: toMs - atMs, idealMs });
    atMs = toMs;
  };
  until('budget', asked + waited);
  if (sent) {
    until('request', sent.asked);
    until('turn', sent.admitted);
    until('senderDisk', sent.read);
  }
  until('firstByte', fromMs);
  until('transfer', whole, (1000 * wire) / linkBytesPerSecond);
  until('verifying', verified);
  until('writing', present);
  return phases;
}
