import { createHash } from 'node:crypto';
import { isZero } from '@quarry/content';
import { loadNativeDigest, loadPortableDigest } from '../../packages/content/src/digest.ts';

interface Hashed {
  /** Stands in the results. */
  readonly name: string;
  readonly content: 'random' | 'zeros';
  /** Loads what it needs; what it returns is called with one chunk after the other. */
  prepare(): (chunk: Uint8Array) => void;
}

const lookForZeros = (expected: boolean) => (chunk: Uint8Array) => {
  if (isZero(chunk) !== expected) throw new Error(`the look for zeros said ${String(!expected)}`);
};

export const hashed = {
  native: {
    name: 'BLAKE3 of 64 KiB chunks, native',
    content: 'random',
    prepare() {
      const { digest } = loadNativeDigest();
      return (chunk) => void digest(chunk);
    },
  },
  portable: {
    name: 'BLAKE3 of 64 KiB chunks, portable',
    content: 'random',
    prepare() {
      const { digest } = loadPortableDigest();
      return (chunk) => void digest(chunk);
    },
  },
  sha512: {
    name: 'SHA-512 of an image in parts of 64 KiB',
    content: 'random',
    prepare() {
      const hash = createHash('sha512');
      return (chunk) => void hash.update(chunk);
    },
  },
  'zeros-in-data': { name: 'look for zeros in data', content: 'random', prepare: () => lookForZeros(false) },
  'zeros-in-zeros': { name: 'look for zeros in zeros', content: 'zeros', prepare: () => lookForZeros(true) },
} as const satisfies Readonly<Record<string, Hashed>>;
