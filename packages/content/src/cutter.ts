import type { CutterSpec } from './cutter-spec.ts';
import { isFixed } from './extent-rules.ts';
import { EARLY_MASK, GEAR, LATE_MASK } from './gear.ts';
import { isZero } from './zero.ts';

/**
 * Cuts one image that comes as a stream; where it is cut does not depend on how the stream is split.
 * A chunk that lies within one pushed buffer is a view of it, one that straddles several is a new buffer: whoever overwrites a pushed buffer
 * must be done with its chunks. What is carried over to the next push is copied.
 */
export interface Cutter {
  /** The chunks that `bytes` completes, in order; often none. */
  push(bytes: Uint8Array): readonly Uint8Array[];
  /** The last chunk, if bytes are left. Nothing may be pushed after it. */
  end(): readonly Uint8Array[];
}

/** Finds where the current chunk ends. Keeps what it has seen of it, forgets it when it has found the end. */
interface BoundaryFinder {
  /** Reads on from `at`; the index in `bytes` after the chunk's last byte, or -1 if all of `bytes` belongs to it and more may. */
  find(bytes: Uint8Array, at: number): number;
}

export function createCutter(spec: CutterSpec): Cutter {
  const finder = isFixed(spec) ? createFixedFinder(spec.maxBytes) : createContentFinder(spec);
  let carry = new Uint8Array(0);
  let carried = 0;
  let hasEnded = false;

  const complete = (tail: Uint8Array): Uint8Array => {
    if (carried === 0) return tail;
    const chunk = new Uint8Array(carried + tail.length);
    chunk.set(carry.subarray(0, carried));
    chunk.set(tail, carried);
    carried = 0;
    return chunk;
  };
  return {
    push(bytes) {
      if (hasEnded) throw new TypeError('the cutter has ended: every image needs its own');
      const chunks: Uint8Array[] = [];
      let start = 0;
      while (start < bytes.length) {
        const end = finder.find(bytes, start);
        if (end === -1) break;
        chunks.push(complete(bytes.subarray(start, end)));
        start = end;
      }
      if (start < bytes.length) {
        if (carry.length === 0) carry = new Uint8Array(spec.maxBytes);
        carry.set(bytes.subarray(start), carried);
        carried += bytes.length - start;
      }
      return chunks;
    },
    end() {
      hasEnded = true;
      const chunks = carried > 0 ? [complete(new Uint8Array(0))] : [];
      carry = new Uint8Array(0);
      return chunks;
    },
  };
}

function createFixedFinder(chunkBytes: number): BoundaryFinder {
  let seen = 0;
  return {
    find(bytes, at) {
      const end = at + chunkBytes - seen;
      if (end > bytes.length) {
        seen += bytes.length - at;
        return -1;
      }
      seen = 0;
      return end;
    },
  };
}

function createContentFinder({ minBytes, meanBytes, maxBytes }: CutterSpec): BoundaryFinder {
  let seen = 0;
  const rolling = new Int32Array(1);
  const find = (bytes: Uint8Array, at: number): number => {
    const start = at - seen; // where the chunk begins, before this buffer if negative
    const limit = Math.min(bytes.length, start + maxBytes);
    // Zeros never cut by themselves (a test holds the gear to that), so a run of them is passed over at memory speed.
    if (seen === 0 && limit - at === maxBytes && isZero(bytes.subarray(at, limit))) return limit;
    // Byte number L of the chunk decides whether it has L bytes: hashing begins with the last byte of the smallest chunk.
    const first = Math.max(at, start + minBytes - 1);
    const early = Math.min(limit, start + meanBytes - 1);
    if (first < early) {
      const end = scan(bytes, first, early, EARLY_MASK, rolling);
      if (end !== -1) return end;
    }
    const end = scan(bytes, Math.max(first, early), limit, LATE_MASK, rolling);
    if (end !== -1) return end;
    return limit === start + maxBytes ? limit : -1;
  };
  return {
    find(bytes, at) {
      const end = find(bytes, at);
      seen = end === -1 ? seen + bytes.length - at : 0;
      if (end !== -1) rolling[0] = 0;
      return end;
    },
  };
}

/**
 * Folds bytes into the hash in `rolling` until it is 0 under `mask`; the index after that byte, or -1 at `end`.
 * Sixteen bytes a turn, and not for the turns' sake: a short loop is inlined into its caller by the middle compiler (Maglev), where the best one never
 * sees it again, and runs at 300 MB/s instead of 1,000 to 1,600.
 */
function scan(bytes: Uint8Array, at: number, end: number, mask: number, rolling: Int32Array): number {
  const gear = GEAR;
  let hash = rolling[0] as number;
  let i = at;
  for (const last = end - 16; i <= last; i += 16) {
    hash = ((hash << 1) + (gear[bytes[i] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 1;
    hash = ((hash << 1) + (gear[bytes[i + 1] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 2;
    hash = ((hash << 1) + (gear[bytes[i + 2] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 3;
    hash = ((hash << 1) + (gear[bytes[i + 3] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 4;
    hash = ((hash << 1) + (gear[bytes[i + 4] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 5;
    hash = ((hash << 1) + (gear[bytes[i + 5] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 6;
    hash = ((hash << 1) + (gear[bytes[i + 6] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 7;
    hash = ((hash << 1) + (gear[bytes[i + 7] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 8;
    hash = ((hash << 1) + (gear[bytes[i + 8] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 9;
    hash = ((hash << 1) + (gear[bytes[i + 9] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 10;
    hash = ((hash << 1) + (gear[bytes[i + 10] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 11;
    hash = ((hash << 1) + (gear[bytes[i + 11] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 12;
    hash = ((hash << 1) + (gear[bytes[i + 12] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 13;
    hash = ((hash << 1) + (gear[bytes[i + 13] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 14;
    hash = ((hash << 1) + (gear[bytes[i + 14] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 15;
    hash = ((hash << 1) + (gear[bytes[i + 15] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 16;
  }
  for (; i < end; i += 1) {
    hash = ((hash << 1) + (gear[bytes[i] as number] as number)) | 0;
    if ((hash & mask) === 0) return i + 1;
  }
  rolling[0] = hash;
  return -1;
}
