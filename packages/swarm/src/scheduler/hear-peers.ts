import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { FetchEvent } from './fetch-events.ts';
import { setRivals } from './lease-state.ts';
import { noteFreshPieces } from './lease-turns.ts';
import { tell, tellPieces } from './peer-credit.ts';
import type { PieceMasks } from './piece-masks.ts';
import { noteNear, setMates } from './plan-crossings.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';
import { breakOffShown } from './watch-flights.ts';

/** A peer that is heard of for the first time and shows no more may have just begun to read; more than that it had before. */
const MAX_FIRST_READ = 4;

export function takeHaves(state: SchedulerState, id: PeerId, pack: PackId, masks: Uint16Array): void {
  const peer = state.peers.get(id);
  const known = state.packs.get(pack);
  if (!peer || !known) return;
  const isFirstWord = !peer.told.has(pack) && !peer.packs.has(known.wanted);
  noteFresh(state, known, id, tell(state, peer, pack, masks), isFirstWord);
}

export function takeChanges(state: SchedulerState, event: FetchEvent & { readonly kind: 'peerChanged' }): void {
  const peer = state.peers.get(event.peer);
  if (!peer) return;
  for (const { pack, pieces } of event.packs) {
    const known = state.packs.get(pack);
    if (known) noteFresh(state, known, peer.id, tellPieces(state, peer, pack, pieces), false);
  }
}

function noteFresh(
  state: SchedulerState,
  pack: PackState,
  peer: PeerId,
  fresh: readonly number[],
  isFirstWord: boolean,
): void {
  noteNear(state, pack, peer);
  if (fresh.length === 0) return;
  pack.progressAtMs = state.nowMs;
  breakOffShown(state, pack.wanted, fresh);
  // What a peer had before it was heard of says nothing about who is reading now.
  if (!isFirstWord || fresh.length <= MAX_FIRST_READ) noteFreshPieces(state, pack, peer, fresh);
}

export function takeElsewhere(state: SchedulerState, pack: PackId, masks: PieceMasks): void {
  const wanted = state.packs.get(pack)?.wanted;
  if (wanted?.need.length !== masks.length) return;
  for (const [piece, mask] of masks.entries()) {
    if (mask !== wanted.elsewhere[piece]) wanted.setElsewhere(piece, mask);
  }
}

export function takeWanters(
  state: SchedulerState,
  pack: PackId,
  members: readonly PeerId[],
  near: readonly PeerId[] = [],
): void {
  const known = state.packs.get(pack);
  if (!known) return;
  setMates(state, known, near);
  setRivals(known.lease, members);
  state.lease.lookNotBeforeMs = 0;
}
