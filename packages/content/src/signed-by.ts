import { createPublicKey, verify } from 'node:crypto';

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
/** DER of a SubjectPublicKeyInfo for Ed25519 up to the key itself (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Whether the holder of this raw Ed25519 key (32 bytes) signed these bytes; false for keys and signatures of another length. */
export function isSignedBy(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return verify(null, bytes, key, signature);
}

/** @throws TypeError where a signer gave something else than Ed25519 */
export function checkKeyBytes(publicKey: Uint8Array, signature: Uint8Array): void {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) {
    throw new TypeError(
      `an Ed25519 key has ${PUBLIC_KEY_BYTES} bytes and a signature ${SIGNATURE_BYTES}, not ${publicKey.length} and ${signature.length}`,
    );
  }
}
