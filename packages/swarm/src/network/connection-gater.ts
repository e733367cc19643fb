import type { ConnectionGater, PeerId as Libp2pPeerId } from '@libp2p/interface';
import type { PeerId } from '../ports/network.ts';
import { peerIdOf } from './peer-identity.ts';

/** Every door a connection can come through. libp2p's handshake has proven who it is by the time `Encrypted` is asked. */
export function createConnectionGater(rules: {
  readonly dials: boolean;
  readonly isBanned: (peer: PeerId) => boolean;
}): ConnectionGater {
  // Members have Ed25519 keys: their names hold the whole key, and every signature here is of that kind.
  const isRefused = (peer: Libp2pPeerId): boolean => peer.type !== 'Ed25519' || rules.isBanned(peerIdOf(peer));
  return {
    denyDialPeer: (peer) => !rules.dials || isRefused(peer),
    denyDialMultiaddr: () => !rules.dials,
    denyInboundEncryptedConnection: isRefused,
    denyOutboundEncryptedConnection: isRefused,
    // Asked again: who is banned while the connection is being upgraded must not slip through.
    denyInboundUpgradedConnection: isRefused,
    denyOutboundUpgradedConnection: isRefused,
    filterMultiaddrForPeer: (peer) => !isRefused(peer),
  };
}
