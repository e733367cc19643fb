import type { SourceKind } from '@quarry/content';
import type { RefusalReason } from '@quarry/swarm';

/**
 * Lines of the piece log, as docs/piece-log.md describes them. All times are Unix milliseconds to a tenth; packs are hex, `from` and `to` peer ids. Fields
 * may be added, and lines of other names.
 */
export type PieceLogLine =
  | StartLine
  | PieceLine
  | RefusedLine
  | SentLine
  | AppearedLine
  | ToldLine
  | LoadLine
  | FetchLine
  | FetchedLine
  | LostLine;

/** The first of each start of the daemon. */
export interface StartLine {
  readonly line: 'start';
  readonly at: number;
  readonly node: string;
  readonly role: 'node' | 'seeder';
  readonly zone: string;
}

/** A piece came, has its digests, and is present. */
export interface PieceLine {
  readonly line: 'piece';
  readonly pack: string;
  readonly piece: number;
  readonly source: SourceKind;
  /** Absent: it was read from the origin. */
  readonly from?: string;
  /** Of a piece that is read from the origin: when its turn in the run came. */
  readonly asked: number;
  /** Absent where it is not known. */
  readonly first?: number;
  readonly whole: number;
  readonly verified: number;
  readonly present: number;
  /** Bytes of chunks, and as they crossed the link. */
  readonly plain: number;
  readonly wire: number;
  /** Of the plain bytes, those that were here already. */
  readonly duplicate?: number;
  /** Milliseconds before the origin was read: for room in memory, and for the origin budget. */
  readonly waited?: number;
  /** Asked for a second time, because the first request stood still. */
  readonly hedge?: true;
  /** It had been given up before it was written. */
  readonly late?: true;
}

/** A request came to nothing. */
export interface RefusedLine {
  readonly line: 'refused';
  readonly why: RefusalReason;
  readonly source: SourceKind;
  readonly from?: string;
  /** Absent: a seeder was asked for whatever it has. */
  readonly pack?: string;
  /** Absent of a run of reads, too. */
  readonly piece?: number;
  readonly asked: number;
  readonly at: number;
  /** What had come of it. */
  readonly bytes?: number;
  /** How many are before this node there. */
  readonly ahead?: number;
}

/** A piece left for a peer. */
export interface SentLine {
  readonly line: 'sent';
  readonly pack: string;
  readonly piece: number;
  readonly to: string;
  readonly wire: number;
  /** The request was here, had its turn, was read from the disk, had left. */
  readonly asked: number;
  readonly admitted: number;
  readonly read: number;
  readonly ended: number;
  /** Not all of it left. */
  readonly broken?: true;
}

/** Chunks are present that no request brought: ingested, or written by another way. */
export interface AppearedLine {
  readonly line: 'appeared';
  readonly pack: string;
  readonly piece: number;
  readonly at: number;
}

/** The first message left that says to others, who fetch the pack, that these pieces are here. */
export interface ToldLine {
  readonly line: 'told';
  readonly at: number;
  readonly pack: string;
  readonly pieces: readonly number[];
}

/** How it stands while something is being fetched. */
export interface LoadLine {
  readonly line: 'load';
  readonly at: number;
  /** Asked of peers and not whole yet; at most `window`. */
  readonly requests: number;
  readonly window: number;
  /** Whole, being written. */
  readonly landing: number;
  /** Out to seeders. */
  readonly asks: number;
  /** Pieces that are needed and that nobody known has. */
  readonly unmet: number;
  readonly parked: number;
}

/** `gateway`: through the façade; `file`: by the command line, or an export. */
export type FetchVia = 'gateway' | 'file';

/** Somebody asks for an image. Of one request there may be several through the façade, which tries again. */
export interface FetchLine {
  readonly line: 'fetch';
  readonly at: number;
  readonly image: string;
  readonly via: FetchVia;
}

/** Whoever asked has it, or will not have it. Bytes of the image, by where they came from; absent where it failed before any came. */
export interface FetchedLine extends Partial<Readonly<Record<SourceKind, number>>> {
  readonly line: 'fetched';
  readonly began: number;
  readonly at: number;
  readonly image: string;
  readonly via: FetchVia;
  readonly ok: boolean;
  readonly why?: string;
}

/** So many lines could not be written. */
export interface LostLine {
  readonly line: 'lost';
  readonly lines: number;
}
