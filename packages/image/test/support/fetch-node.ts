import type { FetchImageDeps } from '../../src/index.ts';
import { createStoreBackedSwarm } from './store-backed-swarm.ts';
import type { Peer, StoreBackedSwarm } from './store-backed-swarm.ts';
import { createTestNode } from './test-node.ts';
import type { TestNode } from './test-node.ts';

export interface FetchNode extends TestNode, Omit<FetchImageDeps, keyof TestNode> {
  readonly swarm: StoreBackedSwarm;
  readonly peers: readonly Peer[];
}

/** A node that trusts what `publisher` signs, and fetches from these peers. */
export function createFetchNode(publisher: TestNode, peers: readonly Peer[]): FetchNode {
  const node = createTestNode();
  return {
    ...node,
    peers,
    swarm: createStoreBackedSwarm(node.store, peers),
    trust: { publishers: [publisher.signer.publicKey] },
  };
}
