// Real nodes on loopback for tests: each ends with its test, whatever came of it.
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { onTestFinished, vi } from 'vitest';
import { generateClusterKey, parseClusterKey } from '../../src/network/cluster-key.ts';
import type { ClusterKey } from '../../src/network/cluster-key.ts';
import { createIdentity } from '../../src/network/identity.ts';
import { createLibp2pNetwork } from '../../src/network/libp2p-network.ts';
import type { Libp2pNetwork, NetworkDeps } from '../../src/network/libp2p-network.ts';
import type { NetworkOptions } from '../../src/network/network-options.ts';
import type { PeerId } from '../../src/ports/network.ts';

// Real sockets on a machine that may be busy: nothing here waits for a time to pass, so only a hang comes near this.
vi.setConfig({ testTimeout: 60_000 });

export function newClusterKey(): ClusterKey {
  return parseClusterKey(generateClusterKey(systemRandom));
}

const commonKey = newClusterKey();

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

/** Two nodes, the first connected to the second by a dial of its own. */
export async function startPair(
  options: Partial<NetworkOptions> = {},
  deps: Partial<NetworkDeps> = {},
): Promise<readonly [Libp2pNetwork, Libp2pNetwork]> {
  const [one, other] = [await startNode(options, deps), await startNode(options, deps)];
  await one.dial(other.peerId, other.addresses());
  await connected(other, one.peerId);
  return [one, other];
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
