import type { PackDescriptor } from '@quarry/content';
import type { PieceMask } from './fetch-events.ts';
import { emptyMasks } from './piece-masks.ts';
import type { PieceMasks } from './piece-masks.ts';

/** What one peer has of one wanted pack. `available` counts the pieces of which it has something that is open. */
export interface PeerPack {
  readonly masks: PieceMasks;
  available: number;
}

/** `unmet` and `distant` over all packs: most decisions end by a look at them. */
export interface PackTotals {
  unmet: number;
  distant: number;
}

/** What the pack must know of a peer: it keeps the sum of `available` over all packs, so that a useless peer is skipped at once. */
export interface PackPeer {
  available: number;
  readonly packs: Map<WantedPack, PeerPack>;
}

/**
 * One pack that some fetch of this node wants: which chunks, who has them, which are on their way. Its counts are kept up to date by every
 * change (each costs one walk over the peers that have the pack), so that no decision has to look at pieces × peers.
 */
export class WantedPack {
  readonly #totals: PackTotals;
  readonly descriptor: PackDescriptor;
  /** Wanted and not yet present here. */
  readonly need: PieceMasks;
  /** Present here. */
  readonly have: PieceMasks;
  /** Asked of somebody, or arrived and being written. */
  readonly flying: PieceMasks;
  /** What connected peers show, taken together. */
  readonly shown: PieceMasks;
  /** Pieces that members show to whom there is no connection; all chunks or nothing. */
  readonly elsewhere: PieceMasks;
  /** Per piece: how many connected peers show any of it. */
  readonly holders: Uint16Array;
  /** What the last resort can give; undefined where there is none. */
  cover: PieceMasks | undefined;
  readonly peers: Map<PackPeer, PeerPack> = new Map();
  /** Pieces with open chunks that nobody shows. */
  unmet = 0;
  /** Pieces with open chunks that only unconnected members show. */
  distant = 0;

  constructor(descriptor: PackDescriptor, totals: PackTotals) {
    this.descriptor = descriptor;
    this.#totals = totals;
    const { pieceCount } = descriptor;
    this.need = emptyMasks(pieceCount);
    this.have = emptyMasks(pieceCount);
    this.flying = emptyMasks(pieceCount);
    this.shown = emptyMasks(pieceCount);
    this.elsewhere = emptyMasks(pieceCount);
    this.holders = new Uint16Array(pieceCount);
  }

  /** Needed and on its way from nobody. */
  open(piece: number): number {
    return (this.need[piece] ?? 0) & ~(this.flying[piece] ?? 0);
  }

  /** Open and shown by nobody at all. */
  unmetMask(piece: number): number {
    return this.open(piece) & ~(this.shown[piece] ?? 0) & ~(this.elsewhere[piece] ?? 0);
  }

  setNeed(piece: number, mask: number): void {
    const open = this.open(piece);
    this.#uncount(piece);
    this.need[piece] = mask;
    this.#count(piece, open);
  }

  setFlying(piece: number, mask: number): void {
    const open = this.open(piece);
    this.#uncount(piece);
    this.flying[piece] = mask;
    this.#count(piece, open);
  }

  setElsewhere(piece: number, mask: number): void {
    this.#uncount(piece);
    this.elsewhere[piece] = mask;
    this.#count(piece, this.open(piece));
  }

  /** Replaces what a peer shows. Returns the pieces of which it now shows chunks that nobody connected showed before. */
  setPeerMasks(peer: PackPeer, masks: PieceMasks): number[] {
    const entry = this.#entryOf(peer);
    const fresh: number[] = [];
    for (let piece = 0; piece < this.need.length; piece += 1) {
      const before = entry.masks[piece] ?? 0;
      const after = masks[piece] ?? 0;
      if (before === after) continue;
      if ((after & ~(this.shown[piece] ?? 0)) !== 0) fresh.push(piece);
      this.#setPeerMask(peer, entry, piece, before, after);
    }
    return fresh;
  }

  /** The same for some pieces only. */
  setPeerPieces(peer: PackPeer, pieces: readonly PieceMask[]): number[] {
    const entry = this.#entryOf(peer);
    const fresh: number[] = [];
    for (const { piece, mask } of pieces) {
      const before = entry.masks[piece];
      if (before === undefined || before === mask) continue;
      if ((mask & ~(this.shown[piece] ?? 0)) !== 0) fresh.push(piece);
      this.#setPeerMask(peer, entry, piece, before, mask);
    }
    return fresh;
  }

  /** Takes single chunks from what a peer shows: it said it had them, and did not. */
  clearPeerMask(peer: PackPeer, piece: number, mask: number): void {
    const entry = this.peers.get(peer);
    const before = entry?.masks[piece] ?? 0;
    if (entry && (before & mask) !== 0) this.#setPeerMask(peer, entry, piece, before, before & ~mask);
  }

  removePeer(peer: PackPeer): void {
    if (!this.peers.has(peer)) return;
    this.setPeerMasks(peer, emptyMasks(this.need.length));
    this.peers.delete(peer);
    peer.packs.delete(this);
  }

  #entryOf(peer: PackPeer): PeerPack {
    let entry = this.peers.get(peer);
    if (!entry) {
      entry = { masks: emptyMasks(this.need.length), available: 0 };
      this.peers.set(peer, entry);
      peer.packs.set(this, entry);
    }
    return entry;
  }

  #setPeerMask(peer: PackPeer, entry: PeerPack, piece: number, before: number, after: number): void {
    this.#uncount(piece);
    const open = this.open(piece);
    entry.masks[piece] = after;
    this.#adjust(peer, entry, (open & before) !== 0, (open & after) !== 0);
    this.holders[piece] = (this.holders[piece] ?? 0) + (after === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    let shown = after | (this.shown[piece] ?? 0);
    if ((before & ~after) !== 0) {
      shown = 0;
      for (const other of this.peers.values()) shown |= other.masks[piece] ?? 0;
    }
    this.shown[piece] = shown;
    this.#count(piece, open);
  }

  #uncount(piece: number): void {
    const open = this.open(piece);
    if (open === 0) return;
    if (this.unmetMask(piece) !== 0) this.#addUnmet(-1);
    else if ((open & ~(this.shown[piece] ?? 0)) !== 0) this.#addDistant(-1);
  }

  /** Counts the piece again, and corrects each peer's `available` where the open chunks changed from `openBefore`. */
  #count(piece: number, openBefore: number): void {
    const open = this.open(piece);
    if (open !== 0) {
      if (this.unmetMask(piece) !== 0) this.#addUnmet(1);
      else if ((open & ~(this.shown[piece] ?? 0)) !== 0) this.#addDistant(1);
    }
    if (open === openBefore) return;
    for (const [peer, entry] of this.peers) {
      const mask = entry.masks[piece] ?? 0;
      this.#adjust(peer, entry, (mask & openBefore) !== 0, (mask & open) !== 0);
    }
  }

  #addUnmet(step: 1 | -1): void {
    this.unmet += step;
    this.#totals.unmet += step;
  }

  #addDistant(step: 1 | -1): void {
    this.distant += step;
    this.#totals.distant += step;
  }

  #adjust(peer: PackPeer, entry: PeerPack, was: boolean, is: boolean): void {
    if (was === is) return;
    const step = is ? 1 : -1;
    entry.available += step;
    peer.available += step;
  }
}
