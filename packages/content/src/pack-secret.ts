import { digestOf } from './digest.ts';
import { packIdFrom } from './ids.ts';
import type { Domain, PackId } from './ids.ts';
import type { Signer } from './image-record.ts';
import { limits } from './limits.ts';

const LOCATOR_CONTEXT = Buffer.from('quarry pack locator v1\0', 'latin1');
const SALT_CONTEXT = Buffer.from('quarry pack salt v1\0', 'latin1');

/** The id of a project's pack, by its secret: it is told in the open, and leads nobody back to the secret. */
export function packLocator(secret: Uint8Array): PackId {
  if (secret.length !== limits.digestBytes) {
    throw new TypeError(`a pack's secret has ${limits.digestBytes} bytes, not ${secret.length}`);
  }
  return packIdFrom(digestOf(Buffer.concat([LOCATOR_CONTEXT, secret])));
}

/**
 * The salt of the packs that this signer makes for a project: the same again each time, so that an ingest that is repeated makes the same packs, and
 * known to nobody else, so that who guesses the content of a pack cannot check the guess. The signature that it is made of is told to nobody.
 */
export async function packSalt(signer: Pick<Signer, 'sign'>, domain: Domain): Promise<Uint8Array> {
  return new Uint8Array(digestOf(await signer.sign(Buffer.concat([SALT_CONTEXT, Buffer.from(domain)]))));
}
