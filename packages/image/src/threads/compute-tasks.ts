import { digestOf, isZero } from '@quarry/content/chunk-bytes';

/** What can be done on another thread. Bytes lie in shared memory, which the thread reads where it is. */
export type ComputeTask = DigestTask | CompareTask | EncodeTask;

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
  readonly bytes: Uint8Array;
}

export interface ComputeReplies {
  readonly digest: Uint8Array;
  readonly compare: readonly number[];
  readonly encode: Uint8Array | undefined;
}

export const DIGEST_BYTES = 32;

/** A task's reply; the same on whatever thread it is made. */
export function perform(task: ComputeTask): ComputeReplies[ComputeTask['kind']] | Promise<ComputeReplies['encode']> {
  switch (task.kind) {
    case 'digest':
      return digestEach(task);
    case 'compare':
      return compareEach(task);
    case 'encode':
      return encode(task);
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
async function encode({ bytes }: EncodeTask): Promise<Uint8Array | undefined> {
  const { encodePiece } = await import('@quarry/content');
  return encodePiece(bytes);
}
