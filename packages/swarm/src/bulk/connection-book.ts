import type { FramedStream } from '../network/framed-stream.ts';
import type { PeerId } from '../ports/network.ts';

/** The open connections of each peer; those that end leave by themselves. */
export interface ConnectionBook {
  readonly size: number;
  /** False, and nothing is added, when the peer has as many as it may. */
  add(peer: PeerId, stream: FramedStream): boolean;
  abort(peer: PeerId, error: Error): void;
  abortAll(error: Error): void;
}

export function createConnectionBook({ maxPerPeer }: { readonly maxPerPeer: number }): ConnectionBook {
  const byPeer = new Map<PeerId, Set<FramedStream>>();
  let size = 0;
  const abort = (peer: PeerId, error: Error): void => {
    for (const stream of byPeer.get(peer) ?? []) stream.abort(error);
  };
  return {
    get size() {
      return size;
    },
    add(peer, stream) {
      const streams = byPeer.get(peer) ?? new Set();
      if (streams.size >= maxPerPeer) return false;
      byPeer.set(peer, streams.add(stream));
      size += 1;
      stream.onEnd(() => {
        streams.delete(stream);
        size -= 1;
        if (streams.size === 0 && byPeer.get(peer) === streams) byPeer.delete(peer);
      });
      return true;
    },
    abort,
    abortAll(error) {
      for (const peer of byPeer.keys()) abort(peer, error);
    },
  };
}
