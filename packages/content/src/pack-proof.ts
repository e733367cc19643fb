import { timingSafeEqual } from 'node:crypto';
import { digestOf } from './digest.ts';
import { limits } from './limits.ts';

const CONTEXT = Buffer.from('quarry pack proof v1\0', 'latin1');
const MAX_NAME_BYTES = 255;

/** Who asks whom, as the connection between them has proven it: peer ids as text, 1 to 255 bytes. */
export interface ProofPeers {
  readonly asker: string;
  readonly server: string;
}

/**
 * Proves to `server` that `asker` knows a secret, without telling it: who does not know the secret learns nothing from it, and it is good for these two
 * alone, so that neither the server nor who overhears it can use it with another. 32 bytes.
 */
export function makePackProof(secret: Uint8Array, { asker, server }: ProofPeers): Uint8Array {
  if (secret.length !== limits.digestBytes) {
    throw new TypeError(`a secret has ${limits.digestBytes} bytes, not ${secret.length}`);
  }
  return new Uint8Array(digestOf(Buffer.concat([CONTEXT, secret, named(asker), named(server)])));
}

/** In a time that does not tell how much of the proof is right. */
export function checkPackProof(proof: Uint8Array | undefined, secret: Uint8Array, peers: ProofPeers): boolean {
  const expected = makePackProof(secret, peers);
  return proof?.length === expected.length && timingSafeEqual(proof, expected);
}

function named(peer: string): Uint8Array {
  const bytes = Buffer.from(peer);
  if (bytes.length < 1 || bytes.length > MAX_NAME_BYTES) {
    throw new TypeError(`a peer id has 1 to ${MAX_NAME_BYTES} bytes, not ${bytes.length}`);
  }
  return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
}
