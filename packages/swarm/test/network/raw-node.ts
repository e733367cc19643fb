// A member that holds the cluster key and keeps no other rule: for what an honest node never sends.
import { noise } from '@chainsafe/libp2p-noise';
import { identify } from '@libp2p/identify';
import type { Libp2p, PrivateKey, Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { onTestFinished } from 'vitest';
import type { ClusterKey } from '../../src/network/cluster-key.ts';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import { peerIdOf } from '../../src/network/peer-identity.ts';
import type { PeerId } from '../../src/ports/network.ts';

export interface RawNode {
  readonly peerId: PeerId;
  readonly libp2p: Libp2p;
  open(node: Libp2pNetwork, protocol: string): Promise<Stream>;
}

export async function startRawNode(clusterKey: ClusterKey, privateKey?: PrivateKey): Promise<RawNode> {
  const libp2p = await createLibp2p({
    ...(privateKey ? { privateKey } : {}),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise({ prologueBytes: clusterKey.handshakeSecret })],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  onTestFinished(async () => await libp2p.stop());
  return {
    peerId: peerIdOf(libp2p.peerId),
    libp2p,
    open: async (node, protocol) => await libp2p.dialProtocol(multiaddr(node.addresses()[0]), protocol),
  };
}

/** Resolves when the other side has reset or closed the stream. */
export function ended(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.status !== 'open') return resolve();
    stream.addEventListener('close', () => resolve(), { once: true });
  });
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
