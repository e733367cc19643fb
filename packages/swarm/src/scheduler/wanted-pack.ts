import type { PackDescriptor } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { PieceMask } from './fetch-events.ts';
import { emptyMasks } from './piece-masks.ts';
import type { PieceMasks } from './piece-masks.ts';

/** What one peer has of one wanted pack. `available` counts the pieces of which it has something that it may be asked for now. */
export interface PeerPack {
  readonly masks: PieceMasks;
  available: number;
}

/** `unmet` and `distant` over all packs: most decisions end by a look at them. */
export interface PackTotals {
  unmet: number;
  distant: number;
  /** Grows whenever a peer has something to ask for of a pack of which it had nothing. */
  gains: number;
}

/** What may be asked of peers that are not near: nothing, what no near peer shows, or all that is open. */
export type Crossing = 0 | 1 | 2;

/** What the pack must know of a peer: it keeps the sum of `available` over all packs, so that a useless peer is skipped at once. */
export interface PackPeer {
  readonly id: PeerId;
  available: number;
  /** Known to be of this node's zone. */
  readonly isNear: boolean;
  readonly packs: Map<WantedPack, PeerPack>;
}

/**
 * One pack that some fetch of this node wants: which chunks, who has them, which are on their way. Its counts are kept up to date by every
 * change (each costs one walk over the peers that have the pack), so that no decision has to look at pieces × peers.
 */
export class WantedPack {
  readonly #totals: PackTotals;
  /** Peers that have something to ask for. */
  #showers = 0;
  #nearFresh: number[] = [];
  readonly descriptor: PackDescriptor;
  /** Wanted and not yet present here. */
  readonly need: PieceMasks;
  /** Present here. */
  readonly have: PieceMasks;
  /** Asked of somebody, or arrived and being written. */
  readonly flying: PieceMasks;
  /** What connected peers show, taken together. */
  readonly shown: PieceMasks;
  /** The same of near peers alone. */
  readonly nearShown: PieceMasks;
  /** Per piece a Crossing; 1 from the start, so that without near peers all is as if there were no zones. */
  readonly crossings: Uint8Array;
  /** Pieces that members show to whom there is no connection; all chunks or nothing. */
  readonly elsewhere: PieceMasks;
  /** Per piece: how many connected peers show any of it. */
  readonly holders: Uint16Array;
  /** What the last resort can give; undefined where there is none. */
  cover: PieceMasks | undefined;
  /** Whether it is kept compressed where it comes from: of a frame there are no parts. Undefined while nobody knows. */
  hasFrames: boolean | undefined;
  readonly peers: Map<PackPeer, PeerPack> = new Map();
  /** Pieces with open chunks that nobody shows. */
  unmet = 0;
  /** Pieces with open chunks that only unconnected members show. */
  distant = 0;
  /** Pieces with open chunks that are shown, but not near, and may not be asked for elsewhere now. */
  waiting = 0;

  constructor(descriptor: PackDescriptor, totals: PackTotals) {
    this.descriptor = descriptor;
    this.#totals = totals;
    const { pieceCount } = descriptor;
    this.need = emptyMasks(pieceCount);
    this.have = emptyMasks(pieceCount);
    this.flying = emptyMasks(pieceCount);
    this.shown = emptyMasks(pieceCount);
    this.nearShown = emptyMasks(pieceCount);
    this.crossings = new Uint8Array(pieceCount).fill(1);
    this.elsewhere = emptyMasks(pieceCount);
    this.holders = new Uint16Array(pieceCount);
  }

  /** Needed and on its way from nobody. */
  open(piece: number): number {
    return (this.need[piece] ?? 0) & ~(this.flying[piece] ?? 0);
  }

  /** Open, and may be asked of a peer that is not near. */
  openFar(piece: number): number {
    const crossing = this.crossings[piece];
    if (crossing === 0) return 0;
    return crossing === 1 ? this.open(piece) & ~(this.nearShown[piece] ?? 0) : this.open(piece);
  }

  openTo(peer: PackPeer, piece: number): number {
    return peer.isNear ? this.open(piece) : this.openFar(piece);
  }

  /** Open and known to be somewhere, but not near. */
  farMask(piece: number): number {
    return this.open(piece) & ((this.shown[piece] ?? 0) | (this.elsewhere[piece] ?? 0)) & ~(this.nearShown[piece] ?? 0);
  }

  /** Open and shown by nobody at all. */
  unmetMask(piece: number): number {
    return this.open(piece) & ~(this.shown[piece] ?? 0) & ~(this.elsewhere[piece] ?? 0);
  }

  setNeed(piece: number, mask: number): void {
    const [open, far] = this.#uncount(piece);
    this.need[piece] = mask;
    this.#count(piece, open, far);
  }

  setFlying(piece: number, mask: number): void {
    const [open, far] = this.#uncount(piece);
    this.flying[piece] = mask;
    this.#count(piece, open, far);
  }

  setElsewhere(piece: number, mask: number): void {
    const [open, far] = this.#uncount(piece);
    this.elsewhere[piece] = mask;
    this.#count(piece, open, far);
  }

  setCrossing(piece: number, crossing: Crossing): void {
    const [open, far] = this.#uncount(piece);
    this.crossings[piece] = crossing;
    this.#count(piece, open, far);
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

  /** Pieces of which near peers have begun to show chunks since the last call. */
  takeNearFresh(): number[] {
    const fresh = this.#nearFresh;
    if (fresh.length > 0) this.#nearFresh = [];
    return fresh;
  }

  /** Takes single chunks from what a peer shows: it said it had them, and did not. */
  clearPeerMask(peer: PackPeer, piece: number, mask: number): void {
    const entry = this.peers.get(peer);
    const before = entry?.masks[piece] ?? 0;
    if (entry && (before & mask) !== 0) this.#setPeerMask(peer, entry, piece, before, before & ~mask);
  }

  /** How many connected peers show any of these chunks. */
  holdersOf(piece: number, mask: number): number {
    let count = 0;
    for (const { masks } of this.peers.values()) if (((masks[piece] ?? 0) & mask) !== 0) count += 1;
    return count;
  }

  isShownHere(): boolean {
    return this.shown.some((mask) => mask !== 0);
  }

  /** The one peer that has anything to ask for of this pack; undefined when there are several, or none. */
  soleShower(): { readonly peer: PackPeer; readonly available: number } | undefined {
    if (this.#showers !== 1) return undefined;
    for (const [peer, { available }] of this.peers) if (available > 0) return { peer, available };
    return undefined;
  }

  /** Returns what it showed. */
  removePeer(peer: PackPeer): PieceMasks | undefined {
    const showed = this.peers.get(peer)?.masks.slice();
    if (!showed) return undefined;
    this.setPeerMasks(peer, emptyMasks(this.need.length));
    this.peers.delete(peer);
    peer.packs.delete(this);
    return showed;
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
    if (this.open(piece) === 0) {
      // Most news are of pieces that this node has, or has asked for: nothing is counted of those.
      entry.masks[piece] = after;
      this.#noteShown(peer, piece, before, after);
      return;
    }
    const [open, far] = this.#uncount(piece);
    entry.masks[piece] = after;
    const askable = peer.isNear ? open : far;
    this.#adjust(peer, entry, (askable & before) !== 0, (askable & after) !== 0);
    this.#noteShown(peer, piece, before, after);
    this.#count(piece, open, far);
  }

  #noteShown(peer: PackPeer, piece: number, before: number, after: number): void {
    this.holders[piece] = (this.holders[piece] ?? 0) + (after === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    let shown = after | (this.shown[piece] ?? 0);
    let near = (peer.isNear ? after : 0) | (this.nearShown[piece] ?? 0);
    if ((before & ~after) !== 0) {
      shown = 0;
      near = 0;
      for (const [other, { masks }] of this.peers) {
        shown |= masks[piece] ?? 0;
        if (other.isNear) near |= masks[piece] ?? 0;
      }
    }
    this.shown[piece] = shown;
    if (peer.isNear && (near & ~(this.nearShown[piece] ?? 0)) !== 0) this.#nearFresh.push(piece);
    this.nearShown[piece] = near;
  }

  /** Before a change. Returns what is open near and far, for `#count` after it. */
  #uncount(piece: number): readonly [open: number, far: number] {
    const open = this.open(piece);
    if (open === 0) return [0, 0];
    this.#step(piece, open, -1);
    return [open, this.openFar(piece)];
  }

  /** Counts the piece again, and corrects each peer's `available` where what is open to it has changed. */
  #count(piece: number, openBefore: number, farBefore: number): void {
    const open = this.open(piece);
    if (open !== 0) this.#step(piece, open, 1);
    const far = this.openFar(piece);
    if (open === openBefore && far === farBefore) return;
    for (const [peer, entry] of this.peers) {
      const mask = entry.masks[piece] ?? 0;
      if (peer.isNear) this.#adjust(peer, entry, (mask & openBefore) !== 0, (mask & open) !== 0);
      else this.#adjust(peer, entry, (mask & farBefore) !== 0, (mask & far) !== 0);
    }
  }

  #step(piece: number, open: number, step: 1 | -1): void {
    if (this.unmetMask(piece) !== 0) this.#addUnmet(step);
    else if ((open & ~(this.shown[piece] ?? 0)) !== 0) this.#addDistant(step);
    if (this.crossings[piece] === 0 && this.farMask(piece) !== 0) this.waiting += step;
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
    if (is && entry.available === 1) {
      this.#totals.gains += 1;
      this.#showers += 1;
    } else if (!is && entry.available === 0) this.#showers -= 1;
    peer.available += step;
  }
}
