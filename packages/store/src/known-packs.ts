import type { Domain, PackId } from '@quarry/content';
import { StoreError } from './errors.ts';
import type { Presence } from './presence.ts';

/** A pack of this store, in memory; the descriptor comes from disk when it is needed. */
export interface KnownPack {
  readonly id: PackId;
  readonly number: number;
  readonly domain: Domain;
  readonly secret: Uint8Array | undefined;
  readonly chunkCount: number;
  readonly presence: Presence;
  /** Place in the order of use: milliseconds of the calendar, pushed on where two would be equal. */
  usedAt: number;
  /** Calls that read or write it now: it is not evicted under them. */
  users: number;
  /** Not added yet, evicted, or found damaged. Whoever still holds it must not touch its files. */
  isGone: boolean;
  /** Discarded while somebody used it: found by nobody but them, and without a record. */
  isHidden: boolean;
  /** Its pack file exists, or is being renamed into place (`fileReady`). */
  hasFile: boolean;
  fileReady: Promise<void> | undefined;
  /** Descriptor and directory entries are durable. */
  isAnchored: boolean;
  /** How often its file could not be synced. A write that began before such a moment does not count. */
  failures: number;
}

export interface KnownPacks {
  find(id: PackId): KnownPack | undefined;
  /** Also one that is hidden. */
  findAny(id: PackId): KnownPack | undefined;
  findByNumber(number: number): KnownPack | undefined;
  /** How many packs of a domain have a number: those that the index may name. Never too few. */
  countIn(domain: Domain): number;
  /** @throws StoreError STORE_PACK_UNKNOWN */
  get(id: PackId): KnownPack;
  /** Also one that is hidden. @throws StoreError STORE_PACK_UNKNOWN */
  getAny(id: PackId): KnownPack;
  all(): Iterable<KnownPack>;
  /** Gives a pack its number, or the one it had. The index may name it from now on, nobody finds it before `publish`. */
  reserve(
    id: PackId,
    record: Pick<KnownPack, 'domain' | 'secret'> & { readonly number?: number },
    presence: Presence,
  ): KnownPack;
  /** Also of one that is hidden. */
  publish(pack: KnownPack): void;
  hide(pack: KnownPack): void;
  /** Takes back a reservation, or a published pack. */
  remove(pack: KnownPack): void;
  touch(pack: KnownPack): void;
  /** Puts a pack where it was in the order of use. */
  restoreUse(pack: KnownPack, usedAt: number): void;
  /** Packs used since the last call. */
  takeTouched(): KnownPack[];
  readonly size: number;
  presentBytes(): number;
  storedBytes(): number;
}

export function createKnownPacks(deps: { readonly wallMs: () => number; readonly onTouch: () => void }): KnownPacks {
  const byId = new Map<PackId, KnownPack>();
  const hidden = new Map<PackId, KnownPack>();
  const byNumber = new Map<number, KnownPack>();
  const counts = new Map<Domain, number>();
  const touched = new Set<KnownPack>();
  let lastUse = 0;
  let lastNumber = 0;
  const findAny = (id: PackId): KnownPack | undefined => byId.get(id) ?? hidden.get(id);
  return {
    find: (id) => byId.get(id),
    findAny,
    findByNumber: (number) => byNumber.get(number),
    countIn: (domain) => counts.get(domain) ?? 0,
    get(id) {
      const pack = byId.get(id);
      if (pack) return pack;
      throw unknownPackError(id);
    },
    getAny(id) {
      const pack = findAny(id);
      if (pack) return pack;
      throw unknownPackError(id);
    },
    all: () => byId.values(),
    reserve(id, { domain, secret, number = lastNumber + 1 }, presence) {
      const { chunkCount } = presence.present;
      const state = { usedAt: 0, users: 0, isGone: true, isHidden: false, hasFile: false, fileReady: undefined };
      const pack = { id, number, domain, secret, chunkCount, presence, ...state, isAnchored: false, failures: 0 };
      lastNumber = Math.max(lastNumber, number);
      byNumber.set(number, pack);
      counts.set(domain, (counts.get(domain) ?? 0) + 1);
      return pack;
    },
    publish(pack) {
      pack.isGone = false;
      pack.isHidden = false;
      hidden.delete(pack.id);
      byId.set(pack.id, pack);
    },
    hide(pack) {
      pack.isHidden = true;
      byId.delete(pack.id);
      touched.delete(pack);
      hidden.set(pack.id, pack);
    },
    remove(pack) {
      pack.isGone = true;
      if (byId.get(pack.id) === pack) byId.delete(pack.id);
      if (hidden.get(pack.id) === pack) hidden.delete(pack.id);
      if (byNumber.get(pack.number) === pack) counts.set(pack.domain, (counts.get(pack.domain) ?? 1) - 1);
      byNumber.delete(pack.number);
      touched.delete(pack);
    },
    touch(pack) {
      // A calendar that was set back, or stands still within a millisecond, must not mix up the order.
      lastUse = Math.max(deps.wallMs(), lastUse + 1);
      pack.usedAt = lastUse;
      if (pack.isGone || pack.isHidden) return;
      touched.add(pack);
      deps.onTouch();
    },
    restoreUse(pack, usedAt) {
      pack.usedAt = usedAt;
      lastUse = Math.max(lastUse, usedAt);
    },
    takeTouched() {
      const packs = [...touched];
      touched.clear();
      return packs;
    },
    get size() {
      return byId.size;
    },
    presentBytes() {
      let bytes = 0;
      for (const { presence } of byId.values()) bytes += presence.presentBytes;
      return bytes;
    },
    storedBytes() {
      let bytes = 0;
      for (const { presence } of byId.values()) bytes += presence.storedBytes;
      return bytes;
    },
  };
}

export function unknownPackError(id: PackId): StoreError {
  return new StoreError('STORE_PACK_UNKNOWN', `pack ${id} is not known to this store: add it first`, {
    details: { pack: id },
  });
}
