import type { PackId } from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import type { Network, PeerId } from '../ports/network.ts';
import { decodeGetHaves } from '../protocol/get-haves.ts';
import { encodeHavesMessage } from '../protocol/haves-message.ts';
import type { PieceSet } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';

/**
 * Tells connected peers what changes of the packs they asked for, straight and soon. Gossip would carry the same, signed, checked and passed on
 * several times over: on one machine eight nodes spent more on that than on the pieces. Who is slow to listen is told less often, and more at
 * once: the next message leaves when the last was answered.
 */
export interface Teller {
  /** A peer has asked for these packs: from now on it is told of them, until it says that it does not want them. */
  subscribe(peer: PeerId, packs: Iterable<PackId>): void;
  /** The pack has changed, and that may wait so long for more. */
  changed(pack: PackId, withinMs: number): void;
  /** Who is told of a pack: they are fetching it. */
  listeners(pack: PackId): Iterable<PeerId>;
  drop(peer: PeerId): void;
  stop(): void;
}

interface Listener {
  readonly packs: Set<PackId>;
  readonly dirty: Set<PackId>;
  isBusy: boolean;
}

export function createTeller(
  deps: {
    readonly network: Network;
    readonly clock: Clock;
    readonly read: (pack: PackId) => PieceSet;
    readonly nextSequence: () => number;
    /** Others are told of the pack than before. */
    readonly onListeners: (pack: PackId) => void;
    /** A message about the pack leaves. */
    readonly onTold?: ((pack: PackId) => void) | undefined;
  },
  options: { readonly maxPacksPerPeer: number },
): Teller {
  const { network, clock } = deps;
  const listeners = new Map<PeerId, Listener>();
  const byPack = new Map<PackId, Set<PeerId>>();
  const stopping = new AbortController();
  let cancelFlush: (() => void) | undefined;
  let flushAtMs = 0;

  const unsubscribe = (peer: PeerId, pack: PackId): void => {
    listeners.get(peer)?.packs.delete(pack);
    listeners.get(peer)?.dirty.delete(pack);
    const peers = byPack.get(pack);
    if (!peers?.delete(peer)) return;
    if (peers.size === 0) byPack.delete(pack);
    deps.onListeners(pack);
  };
  const flush = (): void => {
    cancelFlush = undefined;
    const sets = new Map<PackId, PieceSet>();
    for (const [peer, listener] of listeners) if (!listener.isBusy) void tellAll(peer, listener, sets);
  };
  /** Goes on until the peer knows everything: what changes while it listens is told together, when it has answered. */
  const tellAll = async (peer: PeerId, listener: Listener, sets: Map<PackId, PieceSet>): Promise<void> => {
    listener.isBusy = true;
    try {
      while (listener.dirty.size > 0) {
        await tell(peer, listener, sets);
        sets = new Map(); // what was read before is old by now
      }
    } catch {
      listener.dirty.clear(); // the peer has gone, or will soon; when it comes back it asks
    } finally {
      listener.isBusy = false;
    }
  };
  const tell = async (peer: PeerId, listener: Listener, sets: Map<PackId, PieceSet>): Promise<void> => {
    const packs = [...listener.dirty].slice(0, protocolLimits.maxHavesPacks).map((pack) => {
      listener.dirty.delete(pack);
      const set = sets.get(pack) ?? deps.read(pack);
      sets.set(pack, set);
      deps.onTold?.(pack);
      return { pack, set };
    });
    const message = encodeHavesMessage({ sequence: deps.nextSequence(), packs, wants: undefined });
    const answer = await network.request(peer, protocols.tellHaves, message, {
      signal: stopping.signal,
      maxBytes: protocolLimits.maxGetHavesPacks * 32 + 8,
    });
    for (const pack of decodeGetHaves(answer)) unsubscribe(peer, pack);
  };

  return {
    subscribe(peer, packs) {
      const listener = listeners.get(peer) ?? { packs: new Set(), dirty: new Set(), isBusy: false };
      listeners.set(peer, listener);
      for (const pack of packs) {
        if (listener.packs.size >= options.maxPacksPerPeer) return;
        if (listener.packs.has(pack)) continue;
        listener.packs.add(pack);
        byPack.set(pack, (byPack.get(pack) ?? new Set()).add(peer));
        deps.onListeners(pack);
      }
    },
    listeners: (pack) => byPack.get(pack) ?? [],
    changed(pack, withinMs) {
      const peers = byPack.get(pack);
      if (!peers) return;
      for (const peer of peers) listeners.get(peer)?.dirty.add(pack);
      const atMs = clock.now() + withinMs;
      if (cancelFlush && flushAtMs <= atMs) return;
      cancelFlush?.();
      flushAtMs = atMs;
      cancelFlush = clock.after(withinMs, flush);
    },
    drop(peer) {
      for (const pack of listeners.get(peer)?.packs ?? []) unsubscribe(peer, pack);
      listeners.delete(peer);
    },
    stop() {
      stopping.abort(new Error('closing'));
      cancelFlush?.();
    },
  };
}
