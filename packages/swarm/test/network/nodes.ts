// Real nodes on loopback for tests: each ends with its test, whatever came of it.
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { expect, onTestFinished, vi } from 'vitest';
import type { BulkMode, BulkOptions } from '../../src/bulk/bulk-options.ts';
import { createBulkNetwork } from '../../src/bulk/create-bulk-network.ts';
import type { BulkNetwork } from '../../src/bulk/create-bulk-network.ts';
import { generateClusterKey, parseClusterKey } from '../../src/network/cluster-key.ts';
import type { ClusterKey } from '../../src/network/cluster-key.ts';
import { createIdentity } from '../../src/network/identity.ts';
import { createLibp2pNetwork } from '../../src/network/libp2p-network.ts';
import type { Libp2pNetwork, NetworkDeps } from '../../src/network/libp2p-network.ts';
import { networkDefaults } from '../../src/network/network-options.ts';
import type { NetworkOptions } from '../../src/network/network-options.ts';
import type { PeerId } from '../../src/ports/network.ts';

// Real sockets on a machine that may be busy: nothing here waits for a time to pass, so only a hang comes near this.
vi.setConfig({ testTimeout: 60_000 });

export function newClusterKey(): ClusterKey {
  return parseClusterKey(generateClusterKey(systemRandom));
}

const commonKey = newClusterKey();

/** A way for requests to travel. What the suites ask of a node holds for all. */
export interface Carrier {
  readonly name: string;
  readonly bulk: BulkMode | undefined;
  readonly startNode: (options?: Partial<NetworkOptions>, deps?: Partial<NetworkDeps>) => Promise<Libp2pNetwork>;
  /** Two nodes, the first connected to the second by a dial of its own. */
  readonly startPair: (
    options?: Partial<NetworkOptions>,
    deps?: Partial<NetworkDeps>,
  ) => Promise<readonly [Libp2pNetwork, Libp2pNetwork]>;
}

function carrierOf(name: string, bulk: BulkMode | undefined): Carrier {
  const start: Carrier['startNode'] = bulk ? (...args) => startBulkNode(bulk, ...args) : startNode;
  return {
    name,
    bulk,
    startNode: start,
    async startPair(options, deps) {
      const [one, other] = [await start(options, deps), await start(options, deps)];
      await one.dial(other.peerId, other.addresses());
      await connected(other, one.peerId);
      return [one, other];
    },
  };
}

export const carriers: readonly Carrier[] = [
  carrierOf('libp2p streams', undefined),
  carrierOf('bulk connections over TLS', 'tls'),
  carrierOf('bulk connections over plain TCP', 'plain'),
];

/** Every protocol that a suite asks for. */
const BULK_PROTOCOLS = ['test', 'nobody', 'a', 'b', 'c'].map((name) => `/quarry/${name}/1`);

/** A node that carries in bulk whatever the suites ask. The options of libp2p streams that bulk connections have too are the same for both. */
export async function startBulkNode(
  mode: BulkMode,
  options: Partial<NetworkOptions> = {},
  deps: Partial<NetworkDeps> = {},
  bulk: Partial<BulkOptions> = {},
): Promise<BulkNetwork> {
  const node = await startNode(options, deps);
  const { maxStreamsPerPeer, maxServedPerPeer, idleTimeoutMs, idleStreamMs } = { ...networkDefaults, ...options };
  const network = await createBulkNetwork(
    node,
    { clock: systemClock, random: systemRandom, logger: silentLogger, ...deps },
    {
      mode,
      protocols: BULK_PROTOCOLS,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      maxConnectionsPerPeer: maxStreamsPerPeer,
      maxServedPerPeer,
      idleTimeoutMs,
      idleConnectionMs: idleStreamMs,
      connectTimeoutMs: 30_000,
      connectPatienceMs: 30_000,
      ...bulk,
    },
  );
  onTestFinished(() => network.close());
  return network;
}

/** That nothing took another way than it should have. */
export function expectNoFallback(...nodes: readonly Libp2pNetwork[]): void {
  for (const node of nodes) if ('bulk' in node) expect((node as BulkNetwork).bulk().fallbacks).toBe(0);
}

export async function startNode(
  options: Partial<NetworkOptions> = {},
  deps: Partial<NetworkDeps> = {},
): Promise<Libp2pNetwork> {
  const node = await createLibp2pNetwork(
    {
      identity: deps.identity ?? (await createIdentity(systemRandom)),
      clusterKey: commonKey,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      ...deps,
    },
    { listen: ['/ip4/127.0.0.1/tcp/0'], ...options },
  );
  onTestFinished(() => node.close());
  return node;
}

export function connected(node: Libp2pNetwork, peer: PeerId): Promise<void> {
  return new Promise((resolve) => {
    if (node.peers().includes(peer)) return resolve();
    const forget = node.listen({
      peerConnected(who) {
        if (who !== peer) return;
        forget();
        resolve();
      },
    });
  });
}

export function disconnected(node: Libp2pNetwork, peer: PeerId): Promise<void> {
  return new Promise((resolve) => {
    if (!node.peers().includes(peer)) return resolve();
    const forget = node.listen({
      peerDisconnected(who) {
        if (who !== peer) return;
        forget();
        resolve();
      },
    });
  });
}

/** Turns of the event loop until something is so; the test's own time limit ends it. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

export function bytes(content: string): Uint8Array {
  return new Uint8Array(Buffer.from(content, 'utf8'));
}
