import type { ImageHash } from '@quarry/content';
import { DaemonError } from './daemon-error.ts';

/** Hex digits of each algorithm's value. */
const digits: Readonly<Record<ImageHash['algorithm'], number>> = {
  sha512: 128,
  sha256: 64,
  sha384: 96,
  blake2b512: 128,
};

/** `sha512:<hex>` → a hash. @throws DaemonError DAEMON_BAD_REQUEST */
export function parseImageHash(text: string): ImageHash {
  const [algorithm = '', value = ''] = text.split(':', 2);
  for (const [known, length] of Object.entries(digits) as [ImageHash['algorithm'], number][]) {
    if (known === algorithm && value.length === length && /^[0-9a-fA-F]+$/.test(value))
      return { algorithm: known, value: value.toLowerCase() };
  }
  throw new DaemonError(
    'DAEMON_BAD_REQUEST',
    `not a hash: ${JSON.stringify(text.slice(0, 160))}; write it as sha512:<128 hex digits> (or sha256, sha384, blake2b512)`,
  );
}

export function formatImageHash(hash: ImageHash): string {
  return `${hash.algorithm}:${hash.value}`;
}
