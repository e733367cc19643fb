import type { Clock } from '@quarry/runtime';
import { decodePiece, encodePiece } from './piece-encoding.ts';

/** Whether an ingest keeps pieces as zstd frames where they get smaller, or all of them plain. */
export type EncodingChoice = 'zstd' | 'off';

export interface EncodingConditions {
  /** Of the slower side. */
  readonly linkBytesPerSecond: number;
  /** On which an ingest encodes. What a node receives is decoded on one. */
  readonly cores: number;
  /** Plain bytes that a core makes out of frames, */
  readonly decodeBytesPerSecond: number;
  /** and frames out of. */
  readonly encodeBytesPerSecond: number;
  /** Encoded bytes for each plain one, 0 to 1. */
  readonly ratio: number;
}

export interface ChosenEncoding {
  readonly encoding: EncodingChoice;
  /** What a gigabyte of plain bytes takes over the link, */
  readonly plainSecondsPerGb: number;
  /** and as frames over the link, decoded. */
  readonly encodedSecondsPerGb: number;
  /** In words, for the log. */
  readonly why: string;
}

/** Of what Debian's disk images become at level 1 in pieces of 1 MiB: 2.69 times smaller. */
export const TYPICAL_RATIO: number = 1 / 2.69;
/** What is assumed where nobody knows the link: 10 Gbit/s. */
export const UNKNOWN_LINK_BYTES_PER_SECOND: number = 10e9 / 8;

/**
 * Frames where they shorten the way: the time that a plain byte takes over the link, against that which its frame takes and is decoded in. The two are added:
 * whoever decodes does not read from the link meanwhile. And not where an ingest that encodes would be slower than the link that waits for it.
 */
export function chooseEncoding(conditions: EncodingConditions): ChosenEncoding {
  const { linkBytesPerSecond, cores, decodeBytesPerSecond, encodeBytesPerSecond, ratio } = conditions;
  const plainSecondsPerGb = 1e9 / linkBytesPerSecond;
  const encodedSecondsPerGb = plainSecondsPerGb * ratio + 1e9 / decodeBytesPerSecond;
  const seconds = { plainSecondsPerGb, encodedSecondsPerGb };
  const [plain, encoded] = [plainSecondsPerGb.toFixed(2), encodedSecondsPerGb.toFixed(2)];
  if (encodedSecondsPerGb >= plainSecondsPerGb) {
    return { encoding: 'off', ...seconds, why: `a GB takes ${plain} s plain, and ${encoded} s encoded and decoded` };
  }
  if (encodeBytesPerSecond * cores < linkBytesPerSecond) {
    return { encoding: 'off', ...seconds, why: 'the link is faster than pieces are encoded here' };
  }
  return { encoding: 'zstd', ...seconds, why: `a GB takes ${encoded} s encoded and decoded, and ${plain} s plain` };
}

/** Tries of each piece: the fastest counts, for others run on this machine too. */
const TRIES = 3;

/** How fast one core of this machine encodes and decodes such pieces, and how much smaller they become. Takes some 20 ms of CPU for one of 1 MiB. */
export function measureEncoding(
  clock: Clock,
  pieces: readonly Uint8Array[] = [samplePiece()],
): Pick<EncodingConditions, 'decodeBytesPerSecond' | 'encodeBytesPerSecond' | 'ratio'> {
  const timed = <T>(work: () => T): readonly [result: T, ms: number] => {
    let [best, result] = [Infinity, undefined as T];
    for (let i = 0; i < TRIES; i += 1) {
      const startMs = clock.now();
      result = work();
      best = Math.min(best, clock.now() - startMs);
    }
    return [result, best];
  };
  let [plainBytes, encodedBytes, frameBytes, encodeMs, decodeMs] = [0, 0, 0, 0, 0];
  for (const piece of pieces) {
    const [frame, ms] = timed(() => encodePiece(piece));
    plainBytes += piece.length;
    frameBytes += frame?.length ?? piece.length;
    encodeMs += ms;
    if (!frame) continue;
    encodedBytes += piece.length;
    decodeMs += timed(() => decodePiece(frame, piece.length))[1];
  }
  return {
    encodeBytesPerSecond: rate(plainBytes, encodeMs),
    decodeBytesPerSecond: rate(encodedBytes, decodeMs),
    ratio: plainBytes === 0 ? 1 : frameBytes / plainBytes,
  };
}

function rate(bytes: number, ms: number): number {
  return ms > 0 ? (bytes * 1000) / ms : Infinity;
}

/** Deterministic, and about as compressible as a disk image: runs that return, with noise between them. */
function samplePiece(): Uint8Array {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const piece = new Uint8Array(1024 * 1024);
  for (let at = 0; at < piece.length; ) {
    const length = 8 + next(80);
    if (at > 4096 && next(10) < 7) {
      const from = at - 128 - next(3900);
      piece.copyWithin(at, from, Math.min(from + length, from + piece.length - at));
    } else for (let i = at; i < Math.min(at + length, piece.length); i += 1) piece[i] = next(256);
    at += length;
  }
  return piece;
}
