import type { PeerEvents, PeerId } from '../ports/network.ts';

/**
 * Who is connected, as the layers above see it: connected and disconnected alternate for each peer. libp2p alone does not promise that:
 * a connection that breaks while it is being opened is reported as lost without ever having been reported.
 */
export interface ConnectedPeers {
  readonly all: ReadonlySet<PeerId>;
  add(peer: PeerId): void;
  remove(peer: PeerId): void;
  listen(events: PeerEvents): () => void;
  /** Resolves when the peer is not connected; rejects with the signal's reason. */
  disconnected(peer: PeerId, signal: AbortSignal): Promise<void>;
}

export function createConnectedPeers(): ConnectedPeers {
  const all = new Set<PeerId>();
  const listeners = new Set<PeerEvents>();
  const listen = (events: PeerEvents): (() => void) => {
    const listener = { ...events }; // the same object may listen twice
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return {
    all,
    add(peer) {
      if (all.has(peer)) return;
      all.add(peer);
      for (const listener of listeners) listener.peerConnected?.(peer);
    },
    remove(peer) {
      if (!all.delete(peer)) return;
      for (const listener of listeners) listener.peerDisconnected?.(peer);
    },
    listen,
    disconnected: (peer, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (!all.has(peer)) return resolve();
        const forget = listen({
          peerDisconnected(gone) {
            if (gone !== peer) return;
            forget();
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        });
        const onAbort = (): void => {
          forget();
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
      }),
  };
}
