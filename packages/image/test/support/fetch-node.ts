import type { Manifest } from '@quarry/content';
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
  return connect(createTestNode(), [publisher], peers);
}

/** The same host, among these publishers and peers. */
export function connect(node: TestNode, publishers: readonly TestNode[], peers: readonly Peer[]): FetchNode {
  const trust = { publishers: publishers.map(({ signer }) => signer.publicKey) };
  return { ...node, peers, trust, swarm: createStoreBackedSwarm(node.store, peers) };
}

/** A peer that knows all about an image of `seeder` and has none of its chunks. */
export async function createKnowingPeer(seeder: TestNode, manifest: Manifest): Promise<TestNode> {
  const peer = createTestNode();
  await peer.catalog.putManifest(manifest);
  for await (const record of seeder.catalog.listRecords()) await peer.catalog.putRecord(record);
  for (const pack of manifest.packs) {
    const descriptor = await seeder.store.findPack(pack);
    if (descriptor) await peer.store.addPack(descriptor);
  }
  return peer;
}
