import { chunkDigest, digestEquals, hasChunk, limits } from '@quarry/content';
import type { ChunkLocation, Domain, PackDescriptor } from '@quarry/content';
import type { Database } from './database.ts';
import { chunkKeys } from './keys.ts';
import type { KnownPack } from './known-packs.ts';

/**
 * Which packs hold a chunk, by domain and digest. The index is a hint: what it says is compared with the pack's descriptor before anybody
 * believes it, so that a stale or damaged entry costs a chunk's deduplication and never makes a manifest name the wrong chunk.
 * An entry is a list, because two hosts that ingest the same chunk at the same time make two packs of it.
 */
export interface ChunkIndex {
  add(pack: KnownPack, descriptor: PackDescriptor): Promise<void>;
  remove(pack: KnownPack, descriptor: PackDescriptor): Promise<void>;
  find(
    digests: Uint8Array,
    options: {
      readonly domains: readonly Domain[];
      readonly allowAbsent: boolean;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<readonly (ChunkLocation | undefined)[]>;
}

export interface ChunkIndexDeps {
  readonly database: Database;
  readonly findByNumber: (number: number) => KnownPack | undefined;
  /** Undefined where the descriptor turned out to be damaged. */
  readonly descriptorOf: (pack: KnownPack) => PackDescriptor | undefined | Promise<PackDescriptor | undefined>;
  /** Runs one change at a time: an entry is read, changed and written. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Digests per database call: long enough to be fast, short enough to leave the event loop to others in between. */
const BATCH = 1024;
const LOCATION_BYTES = 6;

export function createChunkIndex(deps: ChunkIndexDeps): ChunkIndex {
  const { database, findByNumber, descriptorOf } = deps;

  /** Reads each chunk's entry, changes it, writes back what is different. Leaves out locations of packs that are no more. */
  const update = async (
    pack: KnownPack,
    descriptor: PackDescriptor,
    change: (others: readonly number[], chunk: number) => Uint8Array | undefined,
  ): Promise<void> => {
    for (let first = 0; first < descriptor.chunkCount; first += BATCH) {
      const count = Math.min(BATCH, descriptor.chunkCount - first);
      const digests = digestRange(descriptor.digests, first, count);
      await deps.exclusively(async () => {
        const keys = chunkKeys(pack.domain, digests);
        const entries = await database.findMany(keys);
        const writes = keys.map((key, i) => {
          const entry = entries[i];
          if (!entry) return { key, value: change([], first + i) };
          const others = locationsIn(entry).filter((at) => {
            const number = numberAt(entry, at);
            return number !== pack.number && findByNumber(number) !== undefined;
          });
          const kept = others.flatMap((at) => [...entry.subarray(at, at + LOCATION_BYTES)]);
          return { key, value: change(kept, first + i) };
        });
        await database.write(writes, { isDurable: false });
      });
    }
  };

  const findInDomain = async (
    domain: Domain,
    digests: Uint8Array,
    asked: readonly number[],
    found: Found,
  ): Promise<void> => {
    const keys = chunkKeys(domain, gather(digests, asked));
    const entries = await database.findMany(keys);
    for (const [i, at] of asked.entries()) {
      const entry = entries[i];
      if (!entry) continue;
      const digest = digestRange(digests, at, 1);
      for (const offset of locationsIn(entry)) {
        const pack = findByNumber(numberAt(entry, offset));
        const chunk = chunkAt(entry, offset);
        if (!pack || pack.isGone || pack.domain !== domain || chunk >= pack.chunkCount) continue;
        const isPresent = hasChunk(pack.presence.present, chunk);
        if (!isPresent && found.absent.has(at)) continue;
        const known = descriptorOf(pack);
        const descriptor = known instanceof Promise ? await known : known;
        if (!descriptor || pack.isGone || !digestEquals(chunkDigest(descriptor, chunk), digest)) continue;
        found[isPresent ? 'present' : 'absent'].set(at, { pack: pack.id, chunk });
        if (isPresent) break;
      }
    }
  };

  return {
    add: (pack, descriptor) =>
      update(pack, descriptor, (others, chunk) => Uint8Array.from([...others, ...location(pack.number, chunk)])),
    remove: (pack, descriptor) =>
      update(pack, descriptor, (others) => (others.length > 0 ? Uint8Array.from(others) : undefined)),
    async find(digests, { domains, allowAbsent, signal }) {
      const count = digests.length / limits.digestBytes;
      const found: Found = { present: new Map(), absent: new Map() };
      for (let first = 0; first < count; first += BATCH) {
        let asked = Array.from({ length: Math.min(BATCH, count - first) }, (_, i) => first + i);
        for (const domain of domains) {
          signal?.throwIfAborted();
          if (asked.length > 0) await findInDomain(domain, digests, asked, found);
          asked = asked.filter((at) => !found.present.has(at));
        }
      }
      return Array.from(
        { length: count },
        (_, at) => found.present.get(at) ?? (allowAbsent ? found.absent.get(at) : undefined),
      );
    },
  };
}

/** By the digest's place in the question. */
interface Found {
  readonly present: Map<number, ChunkLocation>;
  readonly absent: Map<number, ChunkLocation>;
}

function digestRange(digests: Uint8Array, first: number, count: number): Uint8Array {
  return digests.subarray(first * limits.digestBytes, (first + count) * limits.digestBytes);
}

function gather(digests: Uint8Array, which: readonly number[]): Uint8Array {
  const out = new Uint8Array(which.length * limits.digestBytes);
  for (const [i, at] of which.entries()) out.set(digestRange(digests, at, 1), i * limits.digestBytes);
  return out;
}

/** Where the locations of an entry begin: each the pack's number (4 bytes) and the chunk's (2), big-endian. */
function locationsIn(entry: Uint8Array): number[] {
  return Array.from({ length: Math.floor(entry.length / LOCATION_BYTES) }, (_, i) => i * LOCATION_BYTES);
}

function numberAt(entry: Uint8Array, at: number): number {
  return (
    (((entry[at] ?? 0) << 24) | ((entry[at + 1] ?? 0) << 16) | ((entry[at + 2] ?? 0) << 8) | (entry[at + 3] ?? 0)) >>> 0
  );
}

function chunkAt(entry: Uint8Array, at: number): number {
  return ((entry[at + 4] ?? 0) << 8) | (entry[at + 5] ?? 0);
}

function location(number: number, chunk: number): number[] {
  return [number >>> 24, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff, chunk >>> 8, chunk & 0xff];
}
