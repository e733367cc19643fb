import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import type { Ed25519PeerId } from '@libp2p/interface';
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id';
import type { PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';

/** The text form of libp2p (base58 of the public key's multihash: `12D3Koo…`). Only Ed25519 identities are members of a cluster. */
export function parsePeerId(text: string): PeerId {
  return peerIdOf(toLibp2pPeerId(text as PeerId));
}

export function toLibp2pPeerId(peer: PeerId): Ed25519PeerId {
  try {
    const parsed = peerIdFromString(peer);
    if (parsed.type === 'Ed25519') return parsed;
  } catch (cause) {
    throw badPeer(peer, cause);
  }
  throw badPeer(peer, undefined);
}

/** What libp2p calls this peer, as our text. */
export function peerIdOf(peer: { toString(): string }): PeerId {
  return peer.toString() as PeerId;
}

/** The raw Ed25519 key (32 bytes) that a peer's name is made of: what its signatures verify with. */
export function publicKeyOfPeer(peer: PeerId): Uint8Array {
  return toLibp2pPeerId(peer).publicKey.raw;
}

/** The name of whoever signs with this raw Ed25519 key (32 bytes). */
export function peerOfPublicKey(publicKey: Uint8Array): PeerId {
  return peerIdOf(peerIdFromPublicKey(publicKeyFromRaw(publicKey)));
}

function badPeer(text: string, cause: unknown): SwarmError {
  return new SwarmError(
    'SWARM_BAD_ADDRESS',
    `not the id of a peer (12D3Koo…, Ed25519): ${JSON.stringify(text.slice(0, 80))}`,
    {
      cause,
    },
  );
}
