import type { PackId } from '@quarry/content';
import type { PieceMask } from './fetch-events.ts';
import { emptyMasks } from './piece-masks.ts';
import type { SchedulerPeer } from './scheduler-peer.ts';
import { watchFrom } from './scheduler-state.ts';
import type { SchedulerState } from './scheduler-state.ts';

/**
 * How a peer loses and regains its say. A parked peer is asked nothing and what it shows does not count, so that its pieces are looked for
 * elsewhere. A stall parks for a while, each time for longer; "absent" for what was shown parks pack by pack, then altogether, for good;
 * a bad chunk bans.
 */
function park(state: SchedulerState, peer: SchedulerPeer, untilMs: number): void {
  peer.parkedUntilMs = untilMs;
  state.unparkAtMs = Math.min(state.unparkAtMs, untilMs);
  putAside(peer);
}

/** What it shows counts no more, but is remembered. */
function putAside(peer: SchedulerPeer): void {
  for (const pack of peer.packs.keys()) {
    const masks = pack.removePeer(peer);
    if (masks) peer.told.set(pack.descriptor.id, masks);
  }
}

export function parkStalled(state: SchedulerState, peer: SchedulerPeer): void {
  const { firstParkMs, maxParkMs } = state.options;
  const forMs = Math.min(maxParkMs, firstParkMs * 2 ** peer.parks);
  peer.parks += 1;
  peer.busySinceMs = undefined;
  peer.busyAnswers = 0;
  peer.parkedAtMs = state.nowMs;
  park(state, peer, state.nowMs + forMs);
  sparePeers(state);
}

/**
 * Where most peers seem to stall it is this host, or all of them, that are short of CPU: then slow peers are better than none, and far better
 * than the store. At most half of those that show something are left alone, the latest to stall.
 */
function sparePeers(state: SchedulerState): void {
  const showing = [...state.peers.values()].filter((peer) => peer.packs.size + peer.told.size > 0);
  const parked = showing.filter((peer) => peer.parkedUntilMs !== undefined && peer.parkedUntilMs !== Infinity);
  const mayBeParked = Math.ceil(showing.length / 2);
  parked.sort((a, b) => a.parkedAtMs - b.parkedAtMs);
  for (const peer of parked.slice(0, Math.max(0, parked.length - mayBeParked))) unpark(state, peer);
}

function unpark(state: SchedulerState, peer: SchedulerPeer): void {
  peer.parkedUntilMs = undefined;
  showAll(state, peer);
  watchFrom(state, state.nowMs); // what it shows need not be read any more
}

/** Zones become known, or cease to matter, while peers are connected. */
export function setNear(state: SchedulerState, peer: SchedulerPeer, isNear: boolean): void {
  if (peer.isNear === isNear) return;
  putAside(peer);
  peer.isNear = isNear;
  if (peer.parkedUntilMs === undefined) showAll(state, peer);
}

function showAll(state: SchedulerState, peer: SchedulerPeer): void {
  for (const [id, masks] of peer.told) state.packs.get(id)?.wanted.setPeerMasks(peer, masks);
  peer.told.clear();
}

export function unparkDue(state: SchedulerState): void {
  state.unparkAtMs = Infinity;
  for (const peer of state.peers.values()) {
    if (peer.parkedUntilMs === undefined) continue;
    if (peer.parkedUntilMs <= state.nowMs) unpark(state, peer);
    else state.unparkAtMs = Math.min(state.unparkAtMs, peer.parkedUntilMs);
  }
}

/** Whether what the peer says of the pack still counts. */
export function hasCredit(state: SchedulerState, peer: SchedulerPeer, pack: PackId): boolean {
  return (peer.falseHavesByPack.get(pack) ?? 0) < state.options.maxFalseHavesPerPack;
}

/** It said that it has these chunks, and then that it has not. */
export function countFalseHave(
  state: SchedulerState,
  peer: SchedulerPeer,
  pack: PackId,
  piece: number,
  mask: number,
): void {
  peer.falseHaves += 1;
  peer.falseHavesByPack.set(pack, (peer.falseHavesByPack.get(pack) ?? 0) + 1);
  const wanted = state.packs.get(pack)?.wanted;
  if (peer.falseHaves >= state.options.maxFalseHaves) {
    park(state, peer, Infinity);
    peer.told.clear();
  } else if (!hasCredit(state, peer, pack)) {
    peer.told.delete(pack);
    wanted?.removePeer(peer);
  } else {
    const told = peer.told.get(pack);
    if (told) told[piece] = (told[piece] ?? 0) & ~mask;
    wanted?.clearPeerMask(peer, piece, mask);
  }
}

/** It gave what it showed: one false word is forgiven. */
export function countGiven(peer: SchedulerPeer, pack: PackId): void {
  peer.errors = 0;
  peer.parks = 0;
  peer.busySinceMs = undefined;
  peer.busyAnswers = 0;
  if (peer.falseHaves > 0) peer.falseHaves -= 1;
  const byPack = peer.falseHavesByPack.get(pack) ?? 0;
  if (byPack > 0) peer.falseHavesByPack.set(pack, byPack - 1);
}

/** What a peer shows of a pack, from now on. */
export function tell(state: SchedulerState, peer: SchedulerPeer, pack: PackId, masks: Uint16Array): number[] {
  const wanted = state.packs.get(pack)?.wanted;
  if (!wanted || peer.role === 'seeder' || masks.length !== wanted.need.length) return [];
  if (!hasCredit(state, peer, pack) || peer.parkedUntilMs === Infinity) return [];
  if (peer.parkedUntilMs === undefined) return wanted.setPeerMasks(peer, masks);
  peer.told.set(pack, masks.slice());
  return [];
}

/** What a peer shows of some pieces, from now on. */
export function tellPieces(
  state: SchedulerState,
  peer: SchedulerPeer,
  pack: PackId,
  pieces: readonly PieceMask[],
): number[] {
  const wanted = state.packs.get(pack)?.wanted;
  if (!wanted || peer.role === 'seeder' || !hasCredit(state, peer, pack) || peer.parkedUntilMs === Infinity) return [];
  if (peer.parkedUntilMs === undefined) return wanted.setPeerPieces(peer, pieces);
  const told = peer.told.get(pack) ?? emptyMasks(wanted.need.length);
  peer.told.set(pack, told);
  for (const { piece, mask } of pieces) if (piece < told.length) told[piece] = mask;
  return [];
}

export function forgetPeer(state: SchedulerState, peer: SchedulerPeer): void {
  for (const pack of peer.packs.keys()) pack.removePeer(peer);
  peer.told.clear();
  state.peers.delete(peer.id);
  state.seeders.delete(peer);
}

/** For a pack that nobody wants any more. */
export function forgetPack(state: SchedulerState, pack: PackId): void {
  const wanted = state.packs.get(pack)?.wanted;
  for (const peer of state.peers.values()) {
    wanted?.removePeer(peer);
    peer.told.delete(pack);
    peer.seeder.lacks.delete(pack);
  }
  state.packs.delete(pack);
}
