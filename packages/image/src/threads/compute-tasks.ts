import { digestOf, isZero } from '@quarry/content/chunk-bytes';
import type { CopyTask, ReadTask } from './copy-chunks.ts';
import { freeBytes } from './free-bytes.ts';
import { writeViews } from './write-views.ts';
import type { WriteFailure, WriteTask } from './write-views.ts';

/** What can be done on another thread. Bytes lie in shared memory, which the thread reads where it is. */
export type ComputeTask = DigestTask | CompareTask | EncodeTask | EncodeAgainTask | CopyTask | ReadTask | WriteTask;

export interface DigestTask {
  readonly kind: 'digest';
  readonly bytes: Uint8Array;
  /** Of the chunks, one after another. */
  readonly lengths: readonly number[];
}

export interface CompareTask {
  readonly kind: 'compare';
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
  /** What each chunk should have. */
  readonly digests: Uint8Array;
}

export interface EncodeTask {
  readonly kind: 'encode';
  /** One after another they are a piece. */
  readonly parts: readonly Uint8Array[];
}

export interface EncodeAgainTask {
  readonly kind: 'encodeAgain';
  readonly frame: Uint8Array;
  /** Plain bytes of each of the pieces that it becomes. */
  readonly pieceBytes: readonly number[];
}

/** A piece as it is best kept. */
export interface PieceBytes {
  readonly bytes: Uint8Array;
  readonly isFrame: boolean;
}

export interface ComputeReplies {
  readonly digest: Uint8Array;
  readonly compare: readonly number[];
  readonly encode: Uint8Array | undefined;
  readonly encodeAgain: readonly PieceBytes[];
  readonly copy: boolean;
  readonly read: boolean;
  readonly write: WriteFailure | undefined;
}

export const DIGEST_BYTES = 32;

/** A task's reply; the same on whatever thread it is made. */
export function perform(
  task: ComputeTask,
): ComputeReplies[ComputeTask['kind']] | Promise<ComputeReplies[ComputeTask['kind']]> {
  switch (task.kind) {
    case 'digest':
      return digestEach(task);
    case 'compare':
      return compareEach(task);
    case 'encode':
      return encode(task);
    case 'encodeAgain':
      return encodeAgain(task);
    case 'copy':
      return copy(task);
    case 'read':
      return read(task);
    case 'write':
      return writeViews(task);
  }
}

/** The digests one after another; 32 zero bytes for a chunk of nothing but zeros, which has none. */
function digestEach({ bytes, lengths }: DigestTask): Uint8Array {
  const digests = new Uint8Array(lengths.length * DIGEST_BYTES);
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    const chunk = bytes.subarray(at, at + length);
    if (!isZero(chunk)) digests.set(digestOf(chunk), i * DIGEST_BYTES);
    at += length;
  }
  return digests;
}

/** Which chunks do not have their digest. */
function compareEach({ bytes, lengths, digests }: CompareTask): number[] {
  const bad: number[] = [];
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    const expected = digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
    if (Buffer.compare(digestOf(bytes.subarray(at, at + length)), expected) !== 0) bad.push(i);
    at += length;
  }
  return bad;
}

/** Loaded with the first piece: most threads never encode. */
async function encode({ parts }: EncodeTask): Promise<Uint8Array | undefined> {
  const { encodePiece } = await import('@quarry/content/piece-encoding');
  const [only] = parts;
  return exactly(encodePiece(only && parts.length === 1 ? only : joined(parts)));
}

/** In a buffer of its own: zlib's may be larger, and would be kept, or cloned to another thread, with all of it. */
function exactly<Bytes extends Uint8Array | undefined>(bytes: Bytes): Bytes | Uint8Array {
  if (bytes === undefined || bytes.byteLength === bytes.buffer.byteLength) return bytes;
  const copy = new Uint8Array(bytes);
  freeBytes(bytes);
  return copy;
}

/** Used again: a fresh megabyte for each piece costs as much as its copy. */
let scratch = new Uint8Array(0);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (scratch.length < length) scratch = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  return scratch.subarray(0, length);
}

async function copy(task: CopyTask): Promise<boolean> {
  const { copyChunks } = await import('./copy-chunks.ts');
  return copyChunks(task);
}

async function read(task: ReadTask): Promise<boolean> {
  const { readChunks } = await import('./copy-chunks.ts');
  return readChunks(task);
}

async function encodeAgain({ frame: whole, pieceBytes }: EncodeAgainTask): Promise<PieceBytes[]> {
  const { decodePiece, encodePiece } = await import('@quarry/content/piece-encoding');
  const plain = decodePiece(
    whole,
    pieceBytes.reduce((sum, length) => sum + length, 0),
  );
  let at = 0;
  const pieces = pieceBytes.map((length) => {
    const piece = plain.subarray(at, at + length);
    at += length;
    const frame = exactly(encodePiece(piece));
    return { bytes: frame ?? new Uint8Array(piece), isFrame: frame !== undefined };
  });
  freeBytes(plain);
  return pieces;
}
