import type { Clock, Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { createMemoryNetwork } from './memory-network.ts';
import type { MemoryNetwork } from './memory-network.ts';

export interface MemoryHubOptions {
  /** One way between any two nodes. */
  readonly latencyMs: number;
  /** Each message takes up to this much longer, at random: they overtake each other. */
  readonly jitterMs: number;
  /** Part of the gossip messages that is lost on each hop, 0 to 1. */
  readonly gossipLoss: number;
  /** Neighbours to whom a node passes a gossip message on. */
  readonly gossipDegree: number;
  /** In what parts bytes share a link. */
  readonly sliceBytes: number;
}

export const memoryHubDefaults: MemoryHubOptions = Object.freeze({
  latencyMs: 0.5,
  jitterMs: 0,
  gossipLoss: 0,
  gossipDegree: 8,
  sliceBytes: 64 * 1024,
});

export interface MemoryNodeOptions {
  readonly upBytesPerSecond?: number;
  readonly downBytesPerSecond?: number;
  /** Whether it dials others; one that does not is dialled. */
  readonly dials?: boolean;
  /** Changes what this node answers: a liar. Gets the whole answer. */
  readonly tamper?: (protocol: string, answer: Uint8Array) => Uint8Array;
}

/**
 * The wires between nodes in one process: who is connected to whom, how long a message takes, what a link carries, and what goes wrong.
 * Under a virtual clock and a seeded random everything happens again exactly as it did.
 */
export interface MemoryHub {
  /** A new node; it dials by name, so `dial(peer, [])` finds it. */
  join(peer: PeerId, options?: MemoryNodeOptions): MemoryNetwork;
  /** The node is gone without a word: its connections break, nothing reaches it any more. */
  kill(peer: PeerId): void;
  /** Its connections stay, and nothing moves on them until it is woken. */
  stall(peer: PeerId): void;
  wake(peer: PeerId): void;
}

export interface HubInside {
  readonly clock: Clock;
  readonly random: Random;
  readonly options: MemoryHubOptions;
  readonly nodes: Map<PeerId, MemoryNetwork>;
  readonly stalled: Set<PeerId>;
  delayMs(): number;
}

export function createMemoryHub(
  deps: { readonly clock: Clock; readonly random: Random },
  chosen: Partial<MemoryHubOptions> = {},
): MemoryHub {
  const options = { ...memoryHubDefaults, ...chosen };
  const inside: HubInside = {
    ...deps,
    options,
    nodes: new Map(),
    stalled: new Set(),
    delayMs: () => options.latencyMs + deps.random.next() * options.jitterMs,
  };
  return {
    join(peer, node = {}) {
      const network = createMemoryNetwork(inside, peer, node);
      inside.nodes.set(peer, network);
      return network;
    },
    kill(peer) {
      inside.nodes.get(peer)?.vanish();
      inside.nodes.delete(peer);
    },
    stall: (peer) => void inside.stalled.add(peer),
    wake: (peer) => void inside.stalled.delete(peer),
  };
}
