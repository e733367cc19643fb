/**
 * What a scan remembers of chunks, in bounded memory and at a flat cost per chunk: an open-addressing table of 8 bytes of each digest. Where it would
 * grow over its bound it keeps half of the digests only, chosen by their own bits, then a quarter, and so on: every occurrence of a chunk that is kept
 * is seen, so figures times 2^level stay unbiased, which a sample of places would not be. A chunk counts once in each domain that has it, as Quarry stores
 * it; what is public belongs to all.
 */
export interface DigestTable {
  /** Whether chunks of this digest are kept now. */
  keeps(low: number): boolean;
  /** A chunk of image `image` in domain `domainOf(image)`. An image's chunks are added without another's in between. */
  add(high: number, low: number, bytes: number, image: number): Addition;
  /** Keeps half as many from now on. */
  raise(): void;
  /** Each figure of kept chunks stands for 2^level of all. */
  readonly level: number;
  readonly size: number;
  /** Bytes of memory at most. */
  readonly maxBytes: number;
  /** Every chunk that Quarry would store, once in each domain. */
  entries(): IterableIterator<TableEntry>;
}

export interface TableEntry {
  readonly bytes: number;
  /** The image that had it first. */
  readonly image: number;
  /** Images of the domain, or of all where it is public, that have it; from 16,383 on that. */
  readonly images: number;
  /** Another project has the same chunk, and this one may not use it. */
  readonly isBehindBorder: boolean;
}

/** `again`: this image had it before. `shared`: another one did, which had it first; `apart`: likewise, but in another project. */
export type Addition =
  | { readonly kind: 'new' | 'again' }
  | { readonly kind: 'shared' | 'apart'; readonly image: number };

export interface DigestTableOptions {
  readonly maxBytes: number;
  /** A small number for each image's domain; 0 is the public one. Unchanging. */
  readonly domainOf: (image: number) => number;
  /** Slots to begin with, a power of two. */
  readonly slots?: number;
}

const SLOT_BYTES = 20;
const MAX_LOAD = 0.8;
const LENGTH_BITS = 18;
const MAX_IMAGES = 2 ** (32 - LENGTH_BITS) - 1;
const BEHIND_BORDER = 0x8000_0000;
const NEW = Object.freeze({ kind: 'new' });
const AGAIN = Object.freeze({ kind: 'again' });

interface Slots {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  /** The image that had it first, and the bit of a border. */
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  /** Images, above the length less 1. 0: empty. */
  readonly count: Uint32Array;
  readonly shift: number;
}

export function createDigestTable({ maxBytes, domainOf, slots = 2 ** 12 }: DigestTableOptions): DigestTable {
  // growing and thinning out copy: for a moment there are two
  const mostSlots = 2 ** Math.floor(Math.log2(maxBytes / (2 * SLOT_BYTES)));
  if (!(mostSlots >= 16)) throw new RangeError(`a table of digests needs 1 KiB at least, not ${maxBytes} bytes`);
  let table = createSlots(Math.min(slots, mostSlots));
  let size = 0;
  let level = 0;

  const find = (high: number, low: number): number => {
    const mask = table.count.length - 1;
    let at = placeOf(high, low, table.shift);
    while (table.count[at] !== 0 && (table.high[at] !== high || table.low[at] !== low)) at = (at + 1) & mask;
    return at;
  };
  const rebuild = (next: Slots): void => {
    const old = table;
    table = next;
    size = 0;
    for (let from = 0; from < old.count.length; from += 1) {
      const count = old.count[from] as number;
      if (count === 0 || !keeps(old.low[from] as number)) continue;
      const at = find(old.high[from] as number, old.low[from] as number);
      put(at, old.high[from] as number, old.low[from] as number, old.first[from] as number, old.last[from] as number);
      table.count[at] = count;
    }
  };
  const put = (at: number, high: number, low: number, first: number, last: number): void => {
    table.high[at] = high;
    table.low[at] = low;
    table.first[at] = first;
    table.last[at] = last;
    size += 1;
  };
  const keeps = (low: number): boolean => level === 0 || (low & (2 ** level - 1)) === 0;
  const raise = (): void => {
    level += 1;
    rebuild(createSlots(table.count.length));
  };
  const insert = (high: number, low: number, bytes: number, image: number, border: number): void => {
    const at = find(high, low);
    put(at, high, low, (image | border) >>> 0, image);
    table.count[at] = ((1 << LENGTH_BITS) | (bytes - 1)) >>> 0;
    if (size < table.count.length * MAX_LOAD) return;
    if (table.count.length < mostSlots) rebuild(createSlots(table.count.length * 2));
    else raise();
  };
  const firstOf = (at: number): number => ((table.first[at] as number) & ~BEHIND_BORDER) >>> 0;
  const meet = (at: number, image: number): Addition => {
    if (table.last[at] === image) return AGAIN;
    table.last[at] = image;
    const count = table.count[at] as number;
    if (count >>> LENGTH_BITS < MAX_IMAGES) table.count[at] = count + (1 << LENGTH_BITS);
    return { kind: 'shared', image: firstOf(at) };
  };

  return {
    keeps,
    add(high, low, bytes, image) {
      if (!keeps(low)) return AGAIN;
      const domain = domainOf(image);
      const at = find(high, low);
      if (table.count[at] === 0) {
        insert(high, low, bytes, image, 0);
        return NEW;
      }
      const first = firstOf(at);
      const owner = domainOf(first);
      if (owner === domain || owner === 0) return meet(at, image);
      if (domain === 0) {
        // from now on it is everybody's; what other projects have of it is found out at the end
        const addition = meet(at, image);
        table.first[at] = image;
        return addition;
      }
      const own = find(behindBorder(high, domain), low);
      if (table.count[own] !== 0) return meet(own, image);
      insert(behindBorder(high, domain), low, bytes, image, BEHIND_BORDER);
      return { kind: 'apart', image: first };
    },
    raise,
    get level() {
      return level;
    },
    get size() {
      return size;
    },
    maxBytes,
    *entries() {
      const becamePublic = new Map<number, number>();
      const superseded = new Set<number>();
      for (let at = 0; at < table.count.length; at += 1) {
        const first = table.first[at] as number;
        if (table.count[at] === 0 || first < BEHIND_BORDER) continue;
        const high = behindBorder(table.high[at] as number, domainOf(firstOf(at)));
        const original = find(high, table.low[at] as number);
        if (domainOf(firstOf(original)) !== 0) continue;
        superseded.add(at);
        const images = (table.count[at] as number) >>> LENGTH_BITS;
        becamePublic.set(original, (becamePublic.get(original) ?? 0) + images);
      }
      for (let at = 0; at < table.count.length; at += 1) {
        const count = table.count[at] as number;
        if (count === 0 || superseded.has(at)) continue;
        yield {
          bytes: (count & (2 ** LENGTH_BITS - 1)) + 1,
          image: firstOf(at),
          images: Math.min(MAX_IMAGES, (count >>> LENGTH_BITS) + (becamePublic.get(at) ?? 0)),
          isBehindBorder: (table.first[at] as number) >= BEHIND_BORDER,
        };
      }
    },
  };
}

function createSlots(slots: number): Slots {
  const words = (): Uint32Array => new Uint32Array(slots);
  const shift = 32 - Math.log2(slots);
  return { high: words(), low: words(), first: words(), last: words(), count: words(), shift };
}

function placeOf(high: number, low: number, shift: number): number {
  return (Math.imul(high ^ Math.imul(low, 0x85eb_ca6b), 0x9e37_79b1) >>> shift) >>> 0;
}

/** The name of a project's own copy: the same bits decide whether it is kept. Its own inverse. */
function behindBorder(high: number, domain: number): number {
  return (high ^ Math.imul(domain, 0x9e37_79b1)) >>> 0;
}
