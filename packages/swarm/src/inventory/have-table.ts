import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { wantName } from '../protocol/haves-message.ts';
import type { HavesMessage, PackHave } from '../protocol/haves-message.ts';
import { isEmptyPieceSet } from '../protocol/piece-set.ts';
import type { PieceSet } from '../protocol/piece-set.ts';

interface Known {
  set: PieceSet;
  sequence: number;
  heardAtMs: number;
}

interface Holders {
  /** Each message brings the id as a text of its own: this one is kept for all who have the pack. */
  readonly pack: PackId;
  readonly known: Map<PeerId, Known>;
}

/** What a member says of a pack has changed. `before`: what it said last, if it had said anything. */
export interface HaveNews {
  readonly pack: PackId;
  readonly before: PieceSet | undefined;
}

/**
 * Who has what, as members have said: pure, bounded, and in memory only. 26 KB for a host with 100 GB, so every node can know of every other.
 */
export interface HaveTable {
  /** Takes a message of gossip, or an answer to a question; returns the packs of which the member now says something else. */
  hear(peer: PeerId, message: HavesMessage, nowMs: number): HaveNews[];
  /** Forgets a member; returns the packs it had. */
  drop(peer: PeerId): PackId[];
  /** Drops what has not been repeated for `maxAgeMs`: its last word on it may have been lost. */
  expire(nowMs: number, maxAgeMs: number): { readonly peer: PeerId; readonly pack: PackId }[];
  find(peer: PeerId, pack: PackId): PieceSet | undefined;
  holders(pack: PackId): Iterable<readonly [PeerId, PieceSet]>;
  /** Members that want a pack now. */
  wanters(pack: PackId): PeerId[];
  readonly size: number;
}

export function createHaveTable(options: { readonly maxPacksPerPeer: number }): HaveTable {
  const byPack = new Map<PackId, Holders>();
  const byPeer = new Map<PeerId, Set<PackId>>();
  const wants = new Map<PeerId, { sequence: number; names: ReadonlySet<string> }>();
  let size = 0;

  const remove = (peer: PeerId, pack: PackId): void => {
    const holders = byPack.get(pack);
    if (!holders?.known.delete(peer)) return;
    size -= 1;
    if (holders.known.size === 0) byPack.delete(pack);
    const packs = byPeer.get(peer);
    packs?.delete(pack);
    if (packs?.size === 0) byPeer.delete(peer);
  };
  const put = (peer: PeerId, { pack, set }: PackHave, sequence: number, nowMs: number): HaveNews | undefined => {
    const known = byPack.get(pack)?.known.get(peer);
    if (known) {
      if (sequence < known.sequence) return undefined;
      const news = isSame(known.set, set) ? undefined : { pack, before: known.set };
      // An empty set stays for a while, so that an older message that arrives late does not bring the pack back.
      Object.assign(known, { set, sequence, heardAtMs: nowMs });
      return news;
    }
    const packs = byPeer.get(peer) ?? new Set<PackId>();
    if (packs.size >= options.maxPacksPerPeer) return undefined;
    const holders = byPack.get(pack) ?? { pack, known: new Map<PeerId, Known>() };
    byPeer.set(peer, packs.add(holders.pack));
    byPack.set(holders.pack, holders);
    holders.known.set(peer, { set, sequence, heardAtMs: nowMs });
    size += 1;
    return isEmptyPieceSet(set) ? undefined : { pack, before: undefined };
  };

  return {
    hear(peer, message, nowMs) {
      const { sequence } = message;
      if (message.wants && sequence >= (wants.get(peer)?.sequence ?? -1)) {
        wants.set(peer, { sequence, names: new Set(message.wants) });
      }
      return message.packs.flatMap((have) => put(peer, have, sequence, nowMs) ?? []);
    },
    drop(peer) {
      wants.delete(peer);
      const packs = [...(byPeer.get(peer) ?? [])];
      for (const pack of packs) remove(peer, pack);
      return packs;
    },
    expire(nowMs, maxAgeMs) {
      const old: { peer: PeerId; pack: PackId }[] = [];
      for (const [pack, holders] of byPack) {
        for (const [peer, { heardAtMs }] of holders.known) if (nowMs - heardAtMs > maxAgeMs) old.push({ peer, pack });
      }
      for (const { peer, pack } of old) remove(peer, pack);
      return old;
    },
    find: (peer, pack) => byPack.get(pack)?.known.get(peer)?.set,
    *holders(pack) {
      for (const [peer, { set }] of byPack.get(pack)?.known ?? []) if (!isEmptyPieceSet(set)) yield [peer, set];
    },
    wanters(pack) {
      const name = wantName(pack);
      return [...wants].filter(([, { names }]) => names.has(name)).map(([peer]) => peer);
    },
    get size() {
      return size;
    },
  };
}

function isSame(a: PieceSet, b: PieceSet): boolean {
  if (Buffer.compare(a.whole, b.whole) !== 0 || a.partial.length !== b.partial.length) return false;
  return a.partial.every(({ piece, mask }, i) => b.partial[i]?.piece === piece && b.partial[i]?.mask === mask);
}
