import type { ImageLocator } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';

export interface AuthoredEntry<T> {
  readonly locator: ImageLocator;
  readonly author: PeerId;
  readonly value: T;
  readonly heardAtMs: number;
  readonly untilMs: number;
  /** Grows with each entry: where a page goes on. */
  readonly serial: number;
}

/**
 * What members say of images, one word per image and member, until it expires. Bounded: when all is full, who has
 * said more than falls to each drives out his own oldest word, others the oldest of all; so one alone cannot make the others' forgotten. Pure: time is handed in.
 */
export interface AuthoredTable<T> {
  /** False: there was no room for it. What is only `relayed` takes no one's place. */
  put(
    entry: Pick<AuthoredEntry<T>, 'locator' | 'author' | 'value' | 'heardAtMs' | 'untilMs'>,
    options?: { readonly isRelayed?: boolean },
  ): boolean;
  /** Latest first, none that has expired. */
  find(locator: ImageLocator, nowMs: number): readonly AuthoredEntry<T>[];
  remove(locator: ImageLocator, author: PeerId): void;
  /** In order of their serials. */
  after(serial: number, limit: number, nowMs: number): readonly AuthoredEntry<T>[];
  expire(nowMs: number): void;
  readonly size: number;
}

export function createAuthoredTable<T>(options: {
  readonly maxEntries: number;
  readonly maxPerAuthor: number;
  /** Of one image, that many members are remembered. */
  readonly maxPerImage: number;
  readonly nextSerial: () => number;
}): AuthoredTable<T> {
  const { maxEntries, maxPerAuthor, maxPerImage } = options;
  /** In order of serials, as all maps below: what is put anew goes to the end. */
  const entries = new Map<number, AuthoredEntry<T>>();
  const byLocator = new Map<ImageLocator, Map<PeerId, number>>();
  const byAuthor = new Map<PeerId, Set<number>>();

  const drop = (serial: number): void => {
    const entry = entries.get(serial);
    if (!entry) return;
    entries.delete(serial);
    const authors = byLocator.get(entry.locator);
    if (authors?.delete(entry.author) && authors.size === 0) byLocator.delete(entry.locator);
    const serials = byAuthor.get(entry.author);
    if (serials?.delete(serial) && serials.size === 0) byAuthor.delete(entry.author);
  };
  const oldestOf = (serials: Iterable<number> | undefined): number | undefined => {
    for (const serial of serials ?? []) return serial;
    return undefined;
  };
  /** Whether the author has as much of the table as would fall to each. */
  const hasShare = (author: PeerId): boolean =>
    (byAuthor.get(author)?.size ?? 0) >= Math.max(1, maxEntries / Math.max(1, byAuthor.size));
  /** Makes room for one; false: there is none for what is only relayed. */
  const makeRoom = (locator: ImageLocator, author: PeerId, isRelayed: boolean): boolean => {
    const crowded = [
      { isFull: (byAuthor.get(author)?.size ?? 0) >= maxPerAuthor, oldest: () => oldestOf(byAuthor.get(author)) },
      {
        isFull: (byLocator.get(locator)?.size ?? 0) >= maxPerImage,
        oldest: () => oldestOf(byLocator.get(locator)?.values()),
      },
      {
        isFull: entries.size >= maxEntries,
        oldest: () => oldestOf(hasShare(author) ? byAuthor.get(author) : entries.keys()),
      },
    ].filter(({ isFull }) => isFull);
    if (isRelayed && crowded.length > 0) return false;
    for (const { oldest } of crowded) {
      const serial = oldest();
      if (serial !== undefined) drop(serial);
    }
    return true;
  };

  return {
    put(entry, { isRelayed = false } = {}) {
      const { locator, author } = entry;
      const known = byLocator.get(locator)?.get(author);
      if (known !== undefined) {
        if (isRelayed) return true; // what its author said here counts
        drop(known);
      }
      if (!makeRoom(locator, author, isRelayed)) return false;
      const serial = options.nextSerial();
      entries.set(serial, { ...entry, serial });
      byLocator.set(locator, (byLocator.get(locator) ?? new Map<PeerId, number>()).set(author, serial));
      byAuthor.set(author, (byAuthor.get(author) ?? new Set<number>()).add(serial));
      return true;
    },
    find(locator, nowMs) {
      const serials = [...(byLocator.get(locator)?.values() ?? [])].reverse();
      return serials.flatMap((serial) => entries.get(serial) ?? []).filter(({ untilMs }) => untilMs > nowMs);
    },
    remove(locator, author) {
      const serial = byLocator.get(locator)?.get(author);
      if (serial !== undefined) drop(serial);
    },
    after(serial, limit, nowMs) {
      const page: AuthoredEntry<T>[] = [];
      for (const entry of entries.values()) {
        if (entry.serial <= serial || entry.untilMs <= nowMs) continue;
        if (page.length >= limit) break;
        page.push(entry);
      }
      return page;
    },
    expire(nowMs) {
      for (const { serial, untilMs } of entries.values()) if (untilMs <= nowMs) drop(serial);
    },
    get size() {
      return entries.size;
    },
  };
}
