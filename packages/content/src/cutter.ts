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
  let hash = 0;
  /** Folds bytes in until the masked hash is 0; the index after that byte, or -1 at `end`. */
  const scan = (bytes: Uint8Array, at: number, end: number, mask: number): number => {
    let rolling = hash;
    for (let i = at; i < end; i += 1) {
      rolling = ((rolling << 1) + (GEAR[bytes[i] as number] as number)) | 0;
      if ((rolling & mask) === 0) return i + 1;
    }
    hash = rolling;
    return -1;
  };
  const find = (bytes: Uint8Array, at: number): number => {
    const start = at - seen; // where the chunk begins, before this buffer if negative
    const limit = Math.min(bytes.length, start + maxBytes);
    // Zeros never cut by themselves (a test holds the gear to that), so a run of them is passed over at memory speed.
    if (seen === 0 && limit - at === maxBytes && isZero(bytes.subarray(at, limit))) return limit;
    // Byte number L of the chunk decides whether it has L bytes: hashing begins with the last byte of the smallest chunk.
    const first = Math.max(at, start + minBytes - 1);
    const early = Math.min(limit, start + meanBytes - 1);
    if (first < early) {
      const end = scan(bytes, first, early, EARLY_MASK);
      if (end !== -1) return end;
    }
    const end = scan(bytes, Math.max(first, early), limit, LATE_MASK);
    if (end !== -1) return end;
    return limit === start + maxBytes ? limit : -1;
  };
  return {
    find(bytes, at) {
      const end = find(bytes, at);
      seen = end === -1 ? seen + bytes.length - at : 0;
      if (end !== -1) hash = 0;
      return end;
    },
  };
}
