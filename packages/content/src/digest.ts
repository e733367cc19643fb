import { createRequire } from 'node:module';

/** Which BLAKE3 is live. `native` is some ten times as fast as `portable` (docs/measurements.md), so an operator must be able to see it. */
export interface DigestBackend {
  readonly kind: 'native' | 'portable';
  /** Package and version. */
  readonly name: string;
  /** BLAKE3-256 of `bytes`, 32 bytes. One-shot: hasher objects measured 2.5 times slower. */
  readonly digest: (bytes: Uint8Array) => Uint8Array;
}

const require = createRequire(import.meta.url);

/** @throws whatever loading throws when this machine has no binary for the package */
export function loadNativeDigest(): DigestBackend {
  const { blake3 } = require('@napi-rs/blake-hash') as { blake3: (bytes: Uint8Array) => Buffer };
  return { kind: 'native', name: packageName('@napi-rs/blake-hash'), digest: blake3 };
}

export function loadPortableDigest(): DigestBackend {
  const { hash } = require('blake3') as { hash: (bytes: Uint8Array) => Buffer };
  return { kind: 'portable', name: packageName('blake3'), digest: hash };
}

/** The live backend: chosen once, when the module is loaded. */
export const digestBackend: DigestBackend = loadBest();

export function digestOf(bytes: Uint8Array): Uint8Array {
  return digestBackend.digest(bytes);
}

/** The digest as 64 lower-case hex digits. */
export function digestHex(bytes: Uint8Array): string {
  return Buffer.from(digestOf(bytes)).toString('hex');
}

export function digestEquals(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function loadBest(): DigestBackend {
  try {
    return loadNativeDigest();
  } catch {
    return loadPortableDigest(); // no prebuilt binary for this platform: slower, the same digests
  }
}

function packageName(name: string): string {
  const { version } = require(`${name}/package.json`) as { version: string };
  return `${name} ${version}`;
}
