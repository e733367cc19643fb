import { generateKeyPairSync, sign } from 'node:crypto';
import type { Signer } from '@quarry/content';

const SPKI_PREFIX_BYTES = 12;

/** A node identity with a key of its own. */
export function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX_BYTES)),
    sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}
