import { timingSafeEqual } from 'node:crypto';
import { ByteWriter } from './byte-writer.ts';
import { digestHex, digestOf } from './digest.ts';
import type { ImageRef } from './ids.ts';
import { writeImageHash } from './image-hash-codec.ts';
import type { ImageHash } from './image-hash.ts';

/**
 * What the origin says of an image to those whom it lets read it. Whoever knows it may read the image: nodes name a private image to each other
 * by what is derived from its key, which tells nothing to those who do not know the key already.
 */
export interface ImageKey {
  readonly ref: ImageRef;
  readonly imageBytes: number;
  readonly hash: ImageHash;
}

declare const brand: unique symbol;
/** Names an image to those who know its key: 64 lower-case hex digits. Not a secret. */
export type ImageLocator = string & { readonly [brand]: 'ImageLocator' };

const LOCATOR = Buffer.from('quarry image locator v1\0', 'latin1');
const SECRET = Buffer.from('quarry image secret v1\0', 'latin1');
const PROOF = Buffer.from('quarry image proof v1\0', 'latin1');
const GONE = Buffer.from('quarry image gone v1\0', 'latin1');

/**
 * The canonical bytes: reference, size, hash.
 * @throws TypeError for a hash that is not of its form
 */
export function encodeImageKey(key: ImageKey): Uint8Array {
  const writer = new ByteWriter();
  writer.text(key.ref);
  writer.varint(key.imageBytes);
  writeImageHash(writer, key.hash);
  return writer.finish();
}

export function imageLocator(key: ImageKey): ImageLocator {
  return digestHex(Buffer.concat([LOCATOR, encodeImageKey(key)])) as ImageLocator;
}

export function imageLocatorFrom(bytes: Uint8Array): ImageLocator {
  if (bytes.length !== 32) throw new TypeError(`a locator has 32 bytes, not ${bytes.length}`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as ImageLocator;
}

/** The locator's binary form: 32 bytes. */
export function locatorBytes(locator: ImageLocator): Uint8Array {
  return Buffer.from(locator, 'hex');
}

/** 32 bytes that only those who know the key can make. Never sent to anybody. */
export function imageSecret(key: ImageKey): Uint8Array {
  return digestOf(Buffer.concat([SECRET, encodeImageKey(key)]));
}

/** Shows `server` that `asker` knows the key: 32 bytes, good between these two alone, from which the secret cannot be had. */
export function makeImageProof(secret: Uint8Array, asker: string, server: string): Uint8Array {
  return digestOf(Buffer.concat([PROOF, secret, named(asker), named(server)]));
}

/** Takes the same time for every wrong proof. */
export function isImageProof(proof: Uint8Array, secret: Uint8Array, asker: string, server: string): boolean {
  return isSame(proof, makeImageProof(secret, asker, server));
}

/** The word "this image is gone" of an author who knows its key: 32 bytes. */
export function makeGoneVoucher(secret: Uint8Array, author: string): Uint8Array {
  return digestOf(Buffer.concat([GONE, secret, Buffer.from(author)]));
}

export function isGoneVoucher(voucher: Uint8Array, secret: Uint8Array, author: string): boolean {
  return isSame(voucher, makeGoneVoucher(secret, author));
}

/** The key of the image that a record states; undefined where it states no hash. */
export function imageKeyOf(image: {
  readonly ref: ImageRef;
  readonly imageBytes: number;
  readonly hash: ImageHash | undefined;
}): ImageKey | undefined {
  const { ref, imageBytes, hash } = image;
  return hash && { ref, imageBytes, hash };
}

function named(peer: string): Uint8Array {
  const writer = new ByteWriter();
  writer.text(peer);
  return writer.finish();
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
