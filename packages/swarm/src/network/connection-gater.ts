import type { ConnectionGater } from '@libp2p/interface';
import type { PeerId } from '../ports/network.ts';
import { peerIdOf } from './peer-identity.ts';

/** Every door a connection can come through. libp2p's handshake has proven who it is by the time `Encrypted` is asked. */
export function createConnectionGater(rules: {
  readonly dials: boolean;
  readonly isBanned: (peer: PeerId) => boolean;
}): ConnectionGater {
  const isBanned = (peer: { toString(): string }): boolean => rules.isBanned(peerIdOf(peer));
  return {
    denyDialPeer: (peer) => !rules.dials || isBanned(peer),
    denyDialMultiaddr: () => !rules.dials,
    denyInboundEncryptedConnection: isBanned,
    denyOutboundEncryptedConnection: isBanned,
    // Asked again: who is banned while the connection is being upgraded must not slip through.
    denyInboundUpgradedConnection: isBanned,
    denyOutboundUpgradedConnection: isBanned,
    filterMultiaddrForPeer: (peer) => !isBanned(peer),
  };
}
