/**
 * Who may connect. The handshake is Noise XX as everywhere in libp2p, with a secret derived from the cluster key as its prologue:
 * both sides hash it first, and every encrypted part of the handshake is authenticated against that hash (Noise, revision 34,
 * sections 5.2, 5.3 and 6). The dialler finds out first: without the key it cannot check the answer, nor make the third message, which is
 * the one that would admit it; a listener without the key cannot make the answer.
 *
 * What this gives up against a pre-shared key over everything (@libp2p/pnet, which halves the throughput: docs/measurements-network.md):
 * a stranger who connects learns that Noise is spoken and this node's peer id (the answer's key does not depend on the prologue, only
 * its authentication does), and can test guesses of the key against that answer: hence 32 random bytes or more, never a password.
 * A secret prologue is not mixed into the session keys; these rest on X25519 alone, as in all of libp2p.
 */
import { noise } from '@chainsafe/libp2p-noise';
import type { NoiseComponents, NoiseExtensions } from '@chainsafe/libp2p-noise';
import type { ConnectionEncrypter } from '@libp2p/interface';
import { errorCode } from '@quarry/runtime';
import type { ClusterKey } from './cluster-key.ts';

/** libp2p keeps only the message of what failed during a handshake, so this sentence is how a caller tells. */
export const otherClusterMessage = 'the handshake does not fit this cluster key';

export interface ClusterNoiseDeps {
  readonly clusterKey: ClusterKey;
  /** An incoming handshake did not come to an end: a stranger, or one who hung up half-way. */
  readonly onRefused: (error: unknown) => void;
}

export function clusterNoise({
  clusterKey,
  onRefused,
}: ClusterNoiseDeps): (components: NoiseComponents) => ConnectionEncrypter<NoiseExtensions> {
  const create = noise({ prologueBytes: clusterKey.handshakeSecret });
  return (components) => {
    const plain = create(components);
    return {
      protocol: plain.protocol,
      async secureOutbound(connection, options) {
        try {
          return await plain.secureOutbound(connection, options);
        } catch (error) {
          if (isRefusal(error)) throw new Error(otherClusterMessage, { cause: error });
          throw error;
        }
      },
      async secureInbound(connection, options) {
        try {
          return await plain.secureInbound(connection, options);
        } catch (error) {
          onRefused(error);
          throw error;
        }
      },
    };
  };
}

/** What Noise throws when a message of the handshake cannot be authenticated. */
function isRefusal(error: unknown): boolean {
  return errorCode(error) === 'ERR_INVALID_CRYPTO_EXCHANGE';
}
