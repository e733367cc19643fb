import { chunkDigest, digestEquals, limits } from '@quarry/content';
import type { ChunkLocation, Domain, ManifestBuilder, PackDescriptor, PackId, PackStore } from '@quarry/content';
import type { StagedSums } from './encoded-stage.ts';
import { storeFailure } from './image-error.ts';
import { createKnownChunks } from './known-chunks.ts';
import type { FoundChunks } from './known-chunks.ts';
import { createPackWriter } from './pack-writer.ts';
import type { OwnLocation } from './pack-writer.ts';
import { imageDefaults } from './options.ts';
import { createPlacementLog } from './placement-log.ts';
import type { Compute } from './threads/compute.ts';

export interface PlacementSums {
  readonly zeroBytes: number;
  readonly knownBytes: number;
  readonly repeatedBytes: number;
  readonly newBytes: number;
  readonly chunks: number;
}

/**
 * Finds a place for each chunk of an image, in image order: zeros need none; a chunk that this image has put into a pack lately, or that the store has,
 * lies there; any other is put into a new pack. Works in batches, each of which is one question to the store; while one is placed the next are being looked
 * up and hashed. Where a chunk ends up depends on the image and the store alone, not on the batches.
 */
export interface ChunkPlacer {
  /** Tells, if it is known, how large the image is and how small its chunks may be. */
  expect(imageBytes: number, minChunkBytes: number): void;
  /** Begins to hash the next chunks and adds them to the batch. */
  add(chunks: readonly Uint8Array[]): void;
  /** Ends the batch, and places the earliest ones once enough are under way. `onWritten` is called when the batch's bytes are no longer needed; not after a failure. */
  endBatch(onWritten: () => void): Promise<void>;
  /** Finishes the last pack and tells the builder where everything is. */
  finish(builder: ManifestBuilder): Promise<PlacementSums & { readonly newPacks: number } & Readonly<StagedSums>>;
  /** Drops the pack that is not full; never rejects. */
  discard(): Promise<void>;
  /** Lets the packs go that were kept from eviction. */
  release(): void;
  readonly newBytes: number;
  /** Packs that this placer has added to the store. */
  readonly newPacks: readonly PackId[];
}

interface Batch {
  readonly chunks: readonly Uint8Array[];
  /** The question to the store, once it was asked. */
  readonly asked: Promise<Asked>;
  readonly onWritten: () => void;
}

interface Asked {
  /** Of each chunk, 32 bytes; none has but zeros where it is zeros. */
  readonly digests: Buffer;
  /** About those that are not zeros. */
  readonly found: Promise<FoundChunks>;
  /** How many of our own packs the store knew when it was asked: their chunks are in its answer, those of others are not. */
  readonly finishedPacks: number;
}

export function createChunkPlacer(
  deps: { readonly store: PackStore; readonly compute: Compute },
  options: {
    readonly domain: Domain;
    /** Of new packs of a project; undefined for public ones. */
    readonly salt?: Uint8Array | undefined;
    readonly domains: readonly Domain[];
    /** How new packs are kept. Default: plain. */
    readonly encoding?: 'off' | 'zstd' | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): ChunkPlacer {
  const { signal } = options;
  const known = createKnownChunks(deps, { domains: options.domains, signal });
  const ownPacks = new Set<PackId>();
  const onPack = (pack: PackId): void => {
    ownPacks.add(pack);
    known.hold(pack);
  };
  let maxChunksToCome = (): number => Infinity;
  const writer = createPackWriter(deps, {
    domain: options.domain,
    salt: options.salt,
    encoding: options.encoding ?? 'off',
    signal,
    onPack,
    maxChunksToCome: () => maxChunksToCome(),
  });
  const log = createPlacementLog();
  const foreign = createNumbering();
  const sums = { zeroBytes: 0, knownBytes: 0, repeatedBytes: 0, newBytes: 0, chunks: 0 };
  const pending: Batch[] = [];
  /** Where the last chunk lies, if in a pack that the store knows, and that pack. */
  let previous: { readonly location: ChunkLocation; readonly descriptor: PackDescriptor | undefined } | undefined;
  let chunks: Uint8Array[] = [];
  let hashing: Promise<Uint8Array>[] = [];

  /** Questions go out in the order of the batches, so that none knows fewer of our packs than the one before. */
  const ask = async (hashes: readonly Promise<Uint8Array>[], before: Promise<Asked> | undefined): Promise<Asked> => {
    const digests = Buffer.concat(await Promise.all(hashes));
    await before;
    const { finishedPacks } = writer;
    const asked = withoutZeros(digests);
    const found = asked.length > 0 ? known.find(asked) : Promise.resolve(NOTHING_FOUND);
    found.catch(() => {}); // seen when the batch is settled, or never, if one before it fails
    return { digests, found, finishedPacks };
  };
  /**
   * The chunk after the last one in its pack, if it is this one. Many chunks lie in more than one pack; following a pack keeps the extents of a manifest,
   * and later the reads of a rebuild, long.
   */
  const follow = (digest: Uint8Array): ChunkLocation | undefined => {
    if (!previous?.descriptor) return undefined;
    const { location, descriptor } = previous;
    const chunk = location.chunk + 1;
    if (chunk >= descriptor.chunkCount || !digestEquals(chunkDigest(descriptor, chunk), digest)) return undefined;
    const next = { pack: location.pack, chunk };
    return known.isHere(next) ? next : undefined;
  };
  const logOwn = ({ packNumber, chunk }: OwnLocation, length: number): void => {
    previous = undefined;
    log.addChunk(2 * packNumber, chunk, length);
  };
  const placeOne = (bytes: Uint8Array, digest: Buffer, found: FoundChunks, index: number): void => {
    const length = bytes.length;
    sums.chunks += 1;
    const key = digest.toString('latin1'); // 32 characters of one byte each: the cheapest map key that a digest makes
    const own = writer.find(key);
    if (own) {
      sums.repeatedBytes += length;
      return logOwn(own, length);
    }
    const location = follow(digest) ?? found.locations[index];
    if (!location) {
      const added = writer.add(key, digest, bytes);
      sums.newBytes += length;
      return logOwn(added, length);
    }
    const { pack } = location;
    if (ownPacks.has(pack)) sums.repeatedBytes += length;
    else sums.knownBytes += length;
    log.addChunk(2 * foreign.numberOf(pack) + 1, location.chunk, length);
    const descriptor = previous?.location.pack === pack ? previous.descriptor : found.descriptors.get(pack);
    previous = { location, descriptor };
  };
  const settleFirst = async (): Promise<void> => {
    const { chunks: placed, asked, onWritten } = pending[0] as Batch;
    const { digests, found: finding, finishedPacks } = await asked;
    let found: FoundChunks;
    try {
      found = await finding;
    } catch (error) {
      throw storeFailure('known chunks were looked up', error, signal);
    }
    pending.shift();
    let next = 0;
    for (const [i, bytes] of placed.entries()) {
      const digest = digestAt(digests, i);
      if (isNothing(digest)) {
        sums.zeroBytes += bytes.length;
        log.addZeros(bytes.length);
      } else placeOne(bytes, digest, found, next++);
    }
    writer.whenWritten(onWritten);
    writer.forget(finishedPacks);
    await writer.room();
  };
  return {
    expect(imageBytes, minChunkBytes) {
      maxChunksToCome = () => {
        const { zeroBytes, knownBytes, repeatedBytes, newBytes } = sums;
        return Math.ceil((imageBytes - zeroBytes - knownBytes - repeatedBytes - newBytes) / minChunkBytes) + 1;
      };
    },
    add(added) {
      if (added.length === 0) return;
      const digests = deps.compute.digests(added);
      digests.catch(() => {}); // seen when the batch is settled
      hashing.push(digests);
      for (const chunk of added) chunks.push(chunk);
    },
    async endBatch(onWritten) {
      const asked = ask(hashing, pending.at(-1)?.asked);
      asked.catch(() => {}); // likewise
      pending.push({ chunks, asked, onWritten });
      chunks = [];
      hashing = [];
      while (pending.length > imageDefaults.batchesUnderWay) await settleFirst();
    },
    async finish(builder) {
      while (pending.length > 0) await settleFirst();
      const ids = await writer.finish();
      log.replay(builder, (number) => (number % 2 === 0 ? ids[number / 2] : foreign.at((number - 1) / 2)) as PackId);
      for (const pack of [...ids, ...foreign.packs]) {
        const access = deps.store.access(pack);
        if (access?.kind === 'secret') builder.addSecret(pack, access.secret);
      }
      return { ...sums, ...writer.staged, newPacks: ids.length };
    },
    async discard() {
      for (const { asked } of pending) await asked.then(({ found }) => found).catch(() => {});
      await writer.discard();
    },
    release: () => known.release(),
    newPacks: writer.newPacks,
    get newBytes() {
      return sums.newBytes;
    },
  };
}

const NOTHING_FOUND: FoundChunks = { locations: [], descriptors: new Map() };

function digestAt(digests: Buffer, index: number): Buffer {
  return digests.subarray(index * limits.digestBytes, (index + 1) * limits.digestBytes);
}

const NOTHING = Buffer.alloc(limits.digestBytes);

/** Said of zeros instead of a digest. */
function isNothing(digest: Buffer): boolean {
  return digest[0] === 0 && digest.equals(NOTHING);
}

function withoutZeros(digests: Buffer): Uint8Array {
  const kept = Buffer.allocUnsafeSlow(digests.length);
  let length = 0;
  for (let at = 0; at < digests.length; at += limits.digestBytes) {
    if (isNothing(digests.subarray(at, at + limits.digestBytes))) continue;
    length += digests.copy(kept, length, at, at + limits.digestBytes);
  }
  return kept.subarray(0, length);
}

interface Numbering {
  numberOf(pack: PackId): number;
  at(number: number): PackId | undefined;
  readonly packs: readonly PackId[];
}

function createNumbering(): Numbering {
  const packs: PackId[] = [];
  const numbers = new Map<PackId, number>();
  return {
    numberOf(pack) {
      const known = numbers.get(pack);
      if (known !== undefined) return known;
      numbers.set(pack, packs.length);
      return packs.push(pack) - 1;
    },
    at: (number) => packs[number],
    packs,
  };
}
