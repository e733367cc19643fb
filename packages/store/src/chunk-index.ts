import { chunkDigest, hasChunk, limits } from '@quarry/content';
import type { ChunkLocation, Domain, PackDescriptor } from '@quarry/content';
import { isLocationOf, packLocation, unpackLocations } from './chunk-locations.ts';
import type { Database } from './database.ts';
import { chunkKeys } from './keys.ts';
import type { KnownPack } from './known-packs.ts';

/**
 * Which packs hold a chunk, by domain and digest. LevelDB does not check what it reads, and entries outlive their packs, whose numbers are
 * given anew: so each location carries a check over pack id, chunk and digest, and counts only if that fits. A stale or damaged entry costs
 * a chunk's deduplication and does not make a manifest name the wrong chunk. (Comparing with the descriptor would do too, but takes 2 ms
 * where that is not in memory.)
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
  /** How many packs of a domain the index may name; where there is none, it is not asked. */
  readonly countIn: (domain: Domain) => number;
  /** Runs one change at a time: an entry is read, changed and written. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Digests per database call: long enough to be fast, short enough to leave the event loop to others in between. */
const BATCH = 1024;
const NOTHING = new Uint8Array(0);

export function createChunkIndex(deps: ChunkIndexDeps): ChunkIndex {
  const { database, findByNumber, countIn } = deps;

  /** Reads each chunk's entry, changes it, writes back what is different. Leaves out locations of packs that are no more. */
  const update = async (
    pack: KnownPack,
    descriptor: PackDescriptor,
    change: (others: readonly Uint8Array[], chunk: number) => readonly Uint8Array[],
  ): Promise<void> => {
    for (let first = 0; first < descriptor.chunkCount; first += BATCH) {
      const count = Math.min(BATCH, descriptor.chunkCount - first);
      const digests = digestRange(descriptor.digests, first, count);
      await deps.exclusively(async () => {
        const keys = chunkKeys(pack.domain, digests);
        // Of a domain's first pack there are no others. One that comes while we write waits for us, and finds what we wrote.
        const isAlone = countIn(pack.domain) === 1 && findByNumber(pack.number) === pack;
        const entries = isAlone ? [] : await database.findMany(keys);
        const writes = keys.map((key, i) => {
          const others = unpackLocations(entries[i] ?? NOTHING).filter(
            ({ number }) => number !== pack.number && findByNumber(number) !== undefined,
          );
          const locations = change(
            others.map(({ bytes }) => bytes),
            first + i,
          );
          return { key, value: locations.length > 0 ? Buffer.concat(locations) : undefined };
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
    if (countIn(domain) === 0) return;
    const keys = chunkKeys(domain, gather(digests, asked));
    const entries = await database.findMany(keys);
    for (const [i, at] of asked.entries()) {
      const digest = digestRange(digests, at, 1);
      for (const location of unpackLocations(entries[i] ?? NOTHING)) {
        const { chunk } = location;
        const pack = findByNumber(location.number);
        if (!pack || pack.isGone || pack.isHidden || pack.domain !== domain || chunk >= pack.chunkCount) continue;
        const isPresent = hasChunk(pack.presence.present, chunk);
        if ((!isPresent && found.absent.has(at)) || !isLocationOf(location, pack.id, digest)) continue;
        found[isPresent ? 'present' : 'absent'].set(at, { pack: pack.id, chunk });
        if (isPresent) break;
      }
    }
  };

  return {
    add: (pack, descriptor) =>
      update(pack, descriptor, (others, chunk) => [
        ...others,
        packLocation(pack, chunk, chunkDigest(descriptor, chunk)),
      ]),
    remove: (pack, descriptor) => update(pack, descriptor, (others) => others),
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
