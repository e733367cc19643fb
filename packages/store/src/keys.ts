import { digestOf, idBytes, packIdFrom } from '@quarry/content';
import type { Domain, ImageRef, ManifestId, PackId } from '@quarry/content';

// What the index keeps, by the first byte of the key:
//   C  chunk         domain (4 bytes of its digest), digest (its first 24)  →  locations
//   D  discarded     pack id, whose files are to be removed               →  nothing
//   L  last use      pack id                                                →  float64
//   M  manifest      manifest id                                            →  its canonical bytes
//   N  named by      manifest id, ref, 0, publisher                         →  nothing
//   P  pack          pack id                                                →  pack record
//   R  image record  ref, 0, publisher                                      →  its canonical bytes
//   U  pin           reason                                                 →  pack ids
//   V  verified      manifest id                                            →  the hash that the image was found to have
// 192 bits of a chunk's digest keep others from making two chunks of one key; the rest would be a fifth of the index.

const DOMAIN_BYTES = 4;
const DIGEST_BYTES = 24;
const KEY_BYTES = 1 + DOMAIN_BYTES + DIGEST_BYTES;

const kind = (letter: string): number => letter.charCodeAt(0);

export const packPrefix: Uint8Array = Uint8Array.of(kind('P'));
export const lastUsePrefix: Uint8Array = Uint8Array.of(kind('L'));
export const pinPrefix: Uint8Array = Uint8Array.of(kind('U'));
export const recordPrefix: Uint8Array = Uint8Array.of(kind('R'));
export const discardedPrefix: Uint8Array = Uint8Array.of(kind('D'));

/** The keys of many chunks (32-byte digests, concatenated) in one domain. */
export function chunkKeys(domain: Domain, digests: Uint8Array): Uint8Array[] {
  const prefix = domainPrefix(domain);
  const count = digests.length / 32;
  const block = new Uint8Array(count * KEY_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const key = block.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
    key[0] = kind('C');
    key.set(prefix, 1);
    key.set(digests.subarray(i * 32, i * 32 + DIGEST_BYTES), 1 + DOMAIN_BYTES);
    return key;
  });
}

const prefixes = new Map<Domain, Uint8Array>();

function domainPrefix(domain: Domain): Uint8Array {
  const known = prefixes.get(domain);
  if (known) return known;
  const prefix = digestOf(Buffer.from(domain)).subarray(0, DOMAIN_BYTES);
  if (prefixes.size >= 1000) prefixes.clear(); // a few bytes each, but projects come and go
  prefixes.set(domain, prefix);
  return prefix;
}

export function packKey(pack: PackId): Uint8Array {
  return Buffer.concat([packPrefix, idBytes(pack)]);
}

export function packOfKey(key: Uint8Array): PackId {
  return packIdFrom(key.subarray(1));
}

export function lastUseKey(pack: PackId): Uint8Array {
  return Buffer.concat([lastUsePrefix, idBytes(pack)]);
}

export function discardedKey(pack: PackId): Uint8Array {
  return Buffer.concat([discardedPrefix, idBytes(pack)]);
}

export function pinKey(reason: string): Uint8Array {
  return Buffer.concat([pinPrefix, Buffer.from(reason)]);
}

export function reasonOfKey(key: Uint8Array): string {
  return Buffer.from(key.subarray(1)).toString();
}

export function manifestKey(manifest: ManifestId): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind('M')), idBytes(manifest)]);
}

export function verifiedKey(manifest: ManifestId): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind('V')), idBytes(manifest)]);
}

/** All records of a ref begin with this. A ref has no control characters, so 0 ends it. */
export function refPrefix(ref: ImageRef): Uint8Array {
  return Buffer.concat([recordPrefix, Buffer.from(ref), Uint8Array.of(0)]);
}

export function recordKey(ref: ImageRef, publisher: Uint8Array): Uint8Array {
  return Buffer.concat([refPrefix(ref), publisher]);
}

/** All records that name a manifest have a key that begins with this. */
export function namedByPrefix(manifest: ManifestId): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind('N')), idBytes(manifest)]);
}

export function namedByKey(manifest: ManifestId, record: Uint8Array): Uint8Array {
  return Buffer.concat([namedByPrefix(manifest), record.subarray(1)]);
}
