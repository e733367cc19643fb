import type { PackDescriptor, PackId } from '@quarry/content';
import type { OriginAllowance } from '../budget/budget-events.ts';
import type { PeerId } from '../ports/network.ts';
import type { RunPiece } from './flight.ts';
import type { PieceMasks } from './piece-masks.ts';

export type Role = 'node' | 'seeder';

/** One pack of a fetch: what is wanted of it and not present, what is present, and what the last resort could give. */
export interface FetchWant {
  readonly descriptor: PackDescriptor;
  readonly need: PieceMasks;
  readonly have: PieceMasks;
  readonly cover?: PieceMasks | undefined;
  /** What is known of the pack already: said with the want, or the first decisions would be made without it. */
  readonly known?: KnownOfPack | undefined;
}

export interface KnownOfPack {
  /** What connected peers show. */
  readonly shown: readonly { readonly peer: PeerId; readonly masks: PieceMasks }[];
  readonly elsewhere: PieceMasks;
  readonly wanters: readonly PeerId[];
  /** Of the wanters, those of this node's zone. */
  readonly nearWanters?: readonly PeerId[] | undefined;
}

/** A set of chunks of one pack, as asks and their answers carry it. */
export interface PackMasks {
  readonly pack: PackId;
  readonly masks: PieceMasks;
}

export interface AskEntry {
  readonly pack: PackId;
  /** Chunks that this node needs and that nobody it knows of has. */
  readonly need: PieceMasks;
  /** Chunks that this node has: proof that what it was given arrived. */
  readonly have: PieceMasks;
}

export interface PackChange {
  readonly pack: PackId;
  readonly pieces: readonly PieceMask[];
}

/** Some chunks of one piece. */
export interface PieceMask {
  readonly piece: number;
  readonly mask: number;
}

/** Why a request came to nothing. `bad`: the bytes did not have their digests. `error`: the connection broke, or the peer refused. */
export type FailureReason = 'busy' | 'absent' | 'bad' | 'error';

/** What the scheduler is told. `request` is the number that the action carried. */
export type FetchEvent =
  /** A fetch begins. `fetch` is a number that the caller chose and never uses again. */
  | { readonly kind: 'fetch'; readonly fetch: number; readonly wants: readonly FetchWant[]; readonly giveUpMs: number }
  /** Its caller has left, or it failed for a reason of its own (disk full). */
  | { readonly kind: 'fetchEnded'; readonly fetch: number }
  /** `isNear`: known to be of this node's zone, where there are several. Said again when that changes. */
  | { readonly kind: 'peerJoined'; readonly peer: PeerId; readonly role: Role; readonly isNear?: boolean | undefined }
  | { readonly kind: 'peerLeft'; readonly peer: PeerId }
  /** A connected peer shows exactly these chunks of a pack. */
  | { readonly kind: 'peerHas'; readonly peer: PeerId; readonly pack: PackId; readonly masks: PieceMasks }
  /** Of these pieces it shows exactly these chunks from now on, of all others what it showed before: what most news are. */
  | { readonly kind: 'peerChanged'; readonly peer: PeerId; readonly packs: readonly PackChange[] }
  /** Pieces that members without a connection show, taken together. */
  | { readonly kind: 'elsewhere'; readonly pack: PackId; readonly masks: PieceMasks }
  /** The other members that want a pack, for the order of leases; and those of them that are of this node's zone, for who fetches from outside. */
  | {
      readonly kind: 'wanters';
      readonly pack: PackId;
      readonly members: readonly PeerId[];
      readonly near?: readonly PeerId[] | undefined;
    }
  /**
   * All other members that this node has heard of, for who may read from outside the swarm before it is known who else wants the same; and how long such
   * news take to go round. `isSettled`: this node has been here for long enough to have heard of all.
   */
  | {
      readonly kind: 'members';
      readonly members: readonly PeerId[];
      readonly newsMs: number;
      readonly isSettled: boolean;
    }
  /** How many seeders there are as far as is known, connected or not. */
  | { readonly kind: 'seeders'; readonly count: number }
  | { readonly kind: 'rates'; readonly downloadBytesPerSecond: number }
  /** This node's part of the origin budget, from now on. Before the first word there is no limit. */
  | ({ readonly kind: 'originAllowance' } & OriginAllowance)
  /** Bytes of an answer have arrived, to a request, an ask or the read of a run. */
  | {
      readonly kind: 'progress';
      readonly request: number;
      /** No bytes: the read waits for its turn under the origin budget. */
      readonly isWaiting?: boolean | undefined;
    }
  /** A piece arrived and has its digests; it is being written. An ask's answer says which piece it was; a piece of a run has its own number. */
  | {
      readonly kind: 'verified';
      readonly request: number;
      readonly given?: GivenPiece | undefined;
      /** What the answer took of the link: less than the piece has where it came encoded. Default: as many bytes as it has. */
      readonly wireBytes?: number | undefined;
    }
  /** What was verified has been written (`present` was said before), or could not be. */
  | { readonly kind: 'landed'; readonly request: number }
  /** Chunks have become present here, whoever brought them. */
  | { readonly kind: 'present'; readonly pack: PackId; readonly piece: number; readonly mask: number }
  | {
      readonly kind: 'failed';
      readonly request: number;
      readonly reason: FailureReason;
      /** With `busy`: how many wait there. */
      readonly queueLength?: number | undefined;
    }
  /** The seeder keeps this node's place: `ahead` asks are before it. */
  | { readonly kind: 'wait'; readonly request: number; readonly ahead: number }
  /** The seeder has given away all that this node needs, but for what it does not hold itself. */
  | { readonly kind: 'dry'; readonly request: number; readonly lacking: readonly PackMasks[] }
  /** This host was held up for so long: what seems to stand still may only not have been read. */
  | { readonly kind: 'heldUp'; readonly ms: number }
  | { readonly kind: 'tick' };

export interface GivenPiece {
  readonly pack: PackId;
  readonly piece: number;
  readonly mask: number;
}

/** What the scheduler wants done. */
export type FetchAction =
  /** Ask a peer for chunks of a piece. It is cancelled, not forgotten, when the scheduler no longer wants it. */
  | {
      readonly kind: 'request';
      readonly request: number;
      readonly peer: PeerId;
      readonly pack: PackId;
      readonly piece: number;
      readonly mask: number;
      readonly isHedge: boolean;
    }
  | { readonly kind: 'cancel'; readonly request: number }
  /** Place the one standing ask with a seeder. */
  | { readonly kind: 'ask'; readonly request: number; readonly seeder: PeerId; readonly entries: readonly AskEntry[] }
  /**
   * Read a run of pieces from outside the swarm, in this order. `progress` and `failed` are reported with the run's number; each piece, as it
   * arrives, like a request of its own (`verified`, `present`, `landed`) with the piece's. When all have been verified the run is over without a word;
   * those that had not been when it fails are open again. `cancel` names the run.
   */
  | {
      readonly kind: 'readLastResort';
      readonly request: number;
      readonly pack: PackId;
      readonly pieces: readonly RunPiece[];
      /** Others come before this node for the run, and showed nothing for too long. */
      readonly isOutOfTurn: boolean;
    }
  /** What this node would read from outside the swarm if it might, and what it is reading: when that changes. */
  | { readonly kind: 'originDemand'; readonly wantsReads: number; readonly heldReads: number }
  /** Connect to a member that shows this piece: no connected one does. */
  | { readonly kind: 'seek'; readonly pack: PackId; readonly piece: number }
  | { readonly kind: 'ban'; readonly peer: PeerId; readonly reason: string }
  | { readonly kind: 'done'; readonly fetch: number }
  /** Nothing came for `giveUpMs`. `missing` names at most 16 pieces. */
  | {
      readonly kind: 'noSource';
      readonly fetch: number;
      readonly missingChunks: number;
      readonly missing: readonly GivenPiece[];
    };
