import type { PeerId } from '../ports/network.ts';
import type { Role } from './fetch-events.ts';
import { restartTurns } from './lease-state.ts';
import { forgetPeer, setNear } from './peer-credit.ts';
import { losePeerAsMate } from './plan-crossings.ts';
import { SchedulerPeer } from './scheduler-peer.ts';
import type { SchedulerState } from './scheduler-state.ts';
import { asksOf, endAsk } from './standing-asks.ts';
import { breakOff } from './watch-flights.ts';

const MAX_FORMER_PEERS = 1024;

export function joinPeer(state: SchedulerState, id: PeerId, role: Role, isNear: boolean): void {
  const known = state.peers.get(id);
  if (known?.role === role) return setNear(state, known, isNear);
  if (known) losePeer(state, id);
  const former = state.formerPeers.get(id);
  state.formerPeers.delete(id);
  const peer = former?.role === role ? former : new SchedulerPeer(id, role);
  peer.isNear = isNear;
  state.peers.set(id, peer);
  if (role === 'seeder') state.seeders.add(peer);
}

/** Its requests are dead. What only it showed is open again, and the order of leases starts afresh, or every rank would read at once. */
export function losePeer(state: SchedulerState, id: PeerId): void {
  const peer = state.peers.get(id);
  if (!peer) return;
  for (const flight of state.flights.all.values()) {
    if (flight.peer === peer && !flight.isLanding) breakOff(state, flight);
  }
  for (const ask of asksOf(peer)) {
    state.actions.push({ kind: 'cancel', request: ask.request });
    endAsk(peer, ask);
  }
  peer.seeder.lacks.clear();
  peer.seeder.ahead = Infinity;
  const packs = [...peer.packs.keys()].map((wanted) => ({ wanted, unmet: wanted.unmet }));
  forgetPeer(state, peer);
  losePeerAsMate(state, id);
  for (const { wanted, unmet } of packs) {
    const lease = state.packs.get(wanted.descriptor.id)?.lease;
    if (lease && wanted.unmet > unmet) restartTurns(lease);
  }
  peer.seeder.notBeforeMs = 0;
  peer.seeder.fruitlessSinceMs = undefined;
  peer.busySinceMs = undefined;
  remember(state, peer);
}

/** A peer that comes back keeps its credit, or reconnecting would wash it clean. */
function remember(state: SchedulerState, peer: SchedulerPeer): void {
  if (peer.parks === 0 && peer.falseHaves === 0 && peer.seeder.failures === 0) return;
  state.formerPeers.set(peer.id, peer);
  if (state.formerPeers.size <= MAX_FORMER_PEERS) return;
  for (const oldest of state.formerPeers.keys()) {
    state.formerPeers.delete(oldest);
    return;
  }
}

export function banPeer(state: SchedulerState, peer: SchedulerPeer, reason: string): void {
  losePeer(state, peer.id);
  state.actions.push({ kind: 'ban', peer: peer.id, reason });
}
