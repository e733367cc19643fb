import type { PackId, SourceKind } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';

/** What a request has been through so far. All times are of the node's clock (`Clock.now`), in milliseconds. */
export interface RequestTimes {
  /** Of a piece that is read from the origin: when its turn in the run came. */
  readonly askedAtMs: number;
  /** Undefined where the carrier tells of whole answers only. */
  firstByteAtMs: number | undefined;
  /** All of the answer is here. */
  wholeAtMs: number | undefined;
  /** Before the origin was read: for room in memory, and for the origin budget. */
  waitedMs: number;
}

/** A piece came, has its digests, and is present. */
export interface ReceivedPiece extends Readonly<RequestTimes> {
  readonly kind: 'received';
  readonly pack: PackId;
  readonly piece: number;
  readonly source: SourceKind;
  /** Undefined: it was read from the origin. */
  readonly from: PeerId | undefined;
  readonly plainBytes: number;
  readonly wireBytes: number;
  /** Of the plain bytes, those that were present already. */
  readonly duplicateBytes: number;
  /** Asked for a second time, because the first request stood still. */
  readonly isHedge: boolean;
  /** It had been given up before it was written. */
  readonly isLate: boolean;
  readonly verifiedAtMs: number;
  readonly presentAtMs: number;
}

/** Why a request came to nothing; `wait` and `dry` are a seeder's, `damaged` is asked for again, `cancelled` is this node's own doing. */
export type RefusalReason =
  | 'busy'
  | 'absent'
  | 'wait'
  | 'dry'
  | 'damaged'
  | 'bad'
  | 'error'
  | 'cancelled'
  | 'writeFailed';

export interface RefusedRequest {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly source: SourceKind;
  readonly from: PeerId | undefined;
  /** Undefined: a seeder was asked for whatever it has; of a run of reads the piece is undefined alone. */
  readonly pack: PackId | undefined;
  readonly piece: number | undefined;
  readonly askedAtMs: number;
  readonly atMs: number;
  /** What had come of it. */
  readonly receivedBytes: number;
  /** How many are before this node there. */
  readonly ahead?: number | undefined;
}

/** A piece left for a peer, or broke off. */
export interface SentPiece {
  readonly kind: 'sent';
  readonly pack: PackId;
  readonly piece: number;
  readonly to: PeerId;
  /** What leaves: encoded, without the head. */
  readonly wireBytes: number;
  readonly askedAtMs: number;
  /** Its turn came. */
  readonly admittedAtMs: number;
  /** It was read from the disk, and hashed where that is due. */
  readonly readAtMs: number;
  readonly endedAtMs: number;
  readonly isWhole: boolean;
}

/** Chunks are present that no request of this node brought: ingested, or written by another way. */
export interface AppearedPiece {
  readonly kind: 'appeared';
  readonly pack: PackId;
  readonly piece: number;
  readonly atMs: number;
}

/** A message leaves that says what this node has of a pack. Comes for each message. */
export interface ToldPack {
  readonly kind: 'told';
  readonly pack: PackId;
  readonly atMs: number;
}

/** How it stands while something is being fetched; ten times a second at most. */
export interface LoadSample {
  readonly kind: 'load';
  readonly atMs: number;
  /** Asked of peers and not whole yet; at most `window`. */
  readonly requests: number;
  readonly window: number;
  /** Whole, being written. */
  readonly landing: number;
  /** Out to seeders. */
  readonly asks: number;
  /** Pieces that are needed and that nobody known has. */
  readonly unmetPieces: number;
  readonly parkedPeers: number;
}

/** What happens to pieces on this node: for a log, never for a decision. Pure data. */
export type TransferEvent = ReceivedPiece | RefusedRequest | SentPiece | AppearedPiece | ToldPack | LoadSample;

/** Called in the middle of things: it must be quick, and must not throw. */
export type TransferObserver = (event: TransferEvent) => void;

export function beginTimes(nowMs: number): RequestTimes {
  return { askedAtMs: nowMs, firstByteAtMs: undefined, wholeAtMs: undefined, waitedMs: 0 };
}
