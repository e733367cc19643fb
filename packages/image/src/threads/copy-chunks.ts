import { readSync, writeSync } from 'node:fs';
import { digestOf } from '@quarry/content/chunk-bytes';
import { decodePiece } from '@quarry/content/piece-encoding';
import { imageDefaults } from '../options.ts';
import { freeBytes } from './free-bytes.ts';

/** Chunks to be read from one file, hashed and written to another, while they are in the core's cache. For other threads: it waits for both disks. */
export interface CopyTask {
  readonly kind: 'copy';
  /** File descriptors are the process's, not the thread's. */
  readonly from: number;
  readonly to: number;
  readonly parts: readonly CopyPart[];
}

/** Chunks to be read from a file into shared memory, and hashed there. */
export interface ReadTask {
  readonly kind: 'read';
  readonly from: number;
  readonly into: Uint8Array;
  readonly parts: readonly CopyPart[];
}

export interface CopyPart {
  readonly position: number;
  /** 0: the chunks lie there plain; else there is a frame of so many bytes, which is to give `plainBytes`, of which the chunks begin after `skippedBytes`. */
  readonly frameBytes: number;
  readonly plainBytes: number;
  readonly skippedBytes: number;
  readonly lengths: readonly number[];
  readonly digests: Uint8Array;
  /** Where they go, in the other file or in the memory. */
  readonly offset: number;
}

const DIGEST_BYTES = 32;

/** Whether all of it was there, had its digest and was written. Why not is for the caller to find out, who has another way. */
export function copyChunks({ from, to, parts }: CopyTask): boolean {
  try {
    return parts.every((part) => (part.frameBytes > 0 ? copyFrame(from, to, part) : copyPlain(from, to, part)));
  } catch {
    return false;
  }
}

/** Whether all of it was there and had its digest; otherwise `into` may hold anything. */
export function readChunks({ from, into, parts }: ReadTask): boolean {
  try {
    return parts.every((part) => (part.frameBytes > 0 ? readFrame(from, into, part) : readPlain(from, into, part)));
  } catch {
    return false;
  }
}

function readPlain(from: number, into: Uint8Array, { position, lengths, digests, offset }: CopyPart): boolean {
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const room = into.subarray(offset, offset + bytes);
  return readFully(from, room, position) && hasDigests(room, lengths, digests);
}

function readFrame(from: number, into: Uint8Array, part: CopyPart): boolean {
  return withFrame(from, part, (chunks) => into.set(chunks, part.offset));
}

const block = Buffer.allocUnsafeSlow(imageDefaults.writeBytes);

function copyPlain(from: number, to: number, { position, lengths, digests, offset }: CopyPart): boolean {
  let done = 0;
  for (let first = 0; first < lengths.length; ) {
    let end = first;
    let bytes = 0;
    while (end < lengths.length && bytes + (lengths[end] ?? 0) <= block.length) bytes += lengths[end++] ?? 0;
    const run = block.subarray(0, bytes);
    if (!readFully(from, run, position + done)) return false;
    if (!hasDigests(run, lengths.slice(first, end), digests.subarray(first * DIGEST_BYTES))) return false;
    writeFully(to, run, offset + done);
    done += bytes;
    first = end;
  }
  return true;
}

let frame = Buffer.alloc(0);

function copyFrame(from: number, to: number, part: CopyPart): boolean {
  return withFrame(from, part, (chunks) => writeFully(to, chunks, part.offset));
}

/** Hands out the chunks if they have their digests; only for the time being. */
function withFrame(from: number, part: CopyPart, take: (chunks: Uint8Array) => void): boolean {
  const { position, frameBytes, plainBytes, skippedBytes, lengths, digests } = part;
  if (frame.length < frameBytes) frame = Buffer.allocUnsafeSlow(plainBytes);
  const read = frame.subarray(0, frameBytes);
  if (!readFully(from, read, position)) return false;
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const plain = decodePiece(read, plainBytes);
  const chunks = plain.subarray(skippedBytes, skippedBytes + bytes);
  const isGood = hasDigests(chunks, lengths, digests);
  if (isGood) take(chunks);
  freeBytes(plain);
  return isGood;
}

function hasDigests(bytes: Uint8Array, lengths: readonly number[], digests: Uint8Array): boolean {
  let at = 0;
  return lengths.every((length, i) => {
    const digest = digestOf(bytes.subarray(at, at + length));
    at += length;
    return Buffer.compare(digest, digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)) === 0;
  });
}

function readFully(from: number, into: Uint8Array, position: number): boolean {
  for (let done = 0; done < into.length; ) {
    const count = readSync(from, into, done, into.length - done, position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

function writeFully(to: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const count = Math.min(imageDefaults.writeBytes, bytes.length - done);
    done += writeSync(to, bytes, done, count, position + done);
  }
}
