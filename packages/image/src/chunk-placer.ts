import { chunkDigest, digestEquals, digestOf, isZero } from '@quarry/content';
import type { ChunkLocation, Domain, ManifestBuilder, PackDescriptor, PackId, PackStore } from '@quarry/content';
import { storeFailure } from './image-error.ts';
import { createKnownChunks } from './known-chunks.ts';
import type { FoundChunks } from './known-chunks.ts';
import { createPackWriter } from './pack-writer.ts';
import type { OwnLocation } from './pack-writer.ts';
import { createPlacementLog } from './placement-log.ts';

export interface PlacementSums {
  readonly zeroBytes: number;
  readonly knownBytes: number;
  readonly repeatedBytes: number;
  readonly newBytes: number;
  readonly chunks: number;
}

/**
 * Finds a place for each chunk of an image, in image order: zeros need none; a chunk that this image has put into a pack lately, or that the store has,
 * lies there; any other is put into a new pack. Works in batches, each of which is one question to the store; the next batch is hashed while the answer
 * is on its way. Where a chunk ends up depends on the image and the store alone, not on the batches.
 */
export interface ChunkPlacer {
  /** Hashes the next chunk and adds it to the batch. */
  add(chunk: Uint8Array): void;
  /** Ends the batch: asks where its chunks are, and places those of the batch before. `onWritten` is called when the batch's bytes are no longer needed; not after a failure. */
  endBatch(onWritten: () => void): Promise<void>;
  /** Finishes the last pack and tells the builder where everything is. */
  finish(builder: ManifestBuilder): Promise<PlacementSums & { readonly newPacks: number }>;
  /** Drops the pack that is not full; never rejects. */
  discard(): Promise<void>;
  /** Lets the packs go that were kept from eviction. */
  release(): void;
  readonly newBytes: number;
}

interface HashedChunk {
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly key: string;
}

/** A number: so many bytes of zeros. */
type BatchItem = HashedChunk | number;

interface Batch {
  readonly items: readonly BatchItem[];
  readonly found: Promise<FoundChunks>;
  /** How many of our own packs the store knew when it was asked: their chunks are in its answer, those of others are not. */
  readonly finishedPacks: number;
  readonly onWritten: () => void;
}

export function createChunkPlacer(
  deps: { readonly store: PackStore },
  options: { readonly domain: Domain; readonly domains: readonly Domain[]; readonly signal?: AbortSignal | undefined },
): ChunkPlacer {
  const { signal } = options;
  const known = createKnownChunks(deps, { domains: options.domains, signal });
  const ownPacks = new Set<PackId>();
  const onPack = (pack: PackId): void => {
    ownPacks.add(pack);
    known.hold(pack);
  };
  const writer = createPackWriter(deps, { domain: options.domain, signal, onPack });
  const log = createPlacementLog();
  const foreign = createNumbering();
  const sums = { zeroBytes: 0, knownBytes: 0, repeatedBytes: 0, newBytes: 0, chunks: 0 };
  let pending: Batch | undefined;
  /** Where the last chunk lies, if in a pack that the store knows, and that pack. */
  let previous: { readonly location: ChunkLocation; readonly descriptor: PackDescriptor | undefined } | undefined;

  let items: BatchItem[] = [];
  const beginBatch = (onWritten: () => void): Batch => {
    const batch = items;
    items = [];
    const { finishedPacks } = writer;
    const asked = batch.flatMap((item) => (typeof item === 'number' ? [] : [item.digest]));
    const found = asked.length > 0 ? known.find(Buffer.concat(asked)) : Promise.resolve(NOTHING_FOUND);
    found.catch(() => {}); // seen when the batch is settled, or never, if one before it fails
    return { items: batch, found, finishedPacks, onWritten };
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
  const placeOne = ({ bytes, digest, key }: HashedChunk, found: FoundChunks, index: number): void => {
    const length = bytes.length;
    sums.chunks += 1;
    const own = writer.find(key);
    if (own) {
      sums.repeatedBytes += length;
      return logOwn(own, length);
    }
    const location = follow(digest) ?? found.locations[index];
    if (!location) {
      sums.newBytes += length;
      return logOwn(writer.add(key, digest, bytes), length);
    }
    const { pack } = location;
    if (ownPacks.has(pack)) sums.repeatedBytes += length;
    else sums.knownBytes += length;
    log.addChunk(2 * foreign.numberOf(pack) + 1, location.chunk, length);
    const descriptor = previous?.location.pack === pack ? previous.descriptor : found.descriptors.get(pack);
    previous = { location, descriptor };
  };
  const settle = async (batch: Batch, next: Batch | undefined): Promise<void> => {
    let found: FoundChunks;
    try {
      found = await batch.found;
    } catch (error) {
      throw storeFailure('known chunks were looked up', error, signal);
    }
    let asked = 0;
    for (const item of batch.items) {
      if (typeof item === 'number') {
        sums.zeroBytes += item;
        log.addZeros(item);
      } else placeOne(item, found, asked++);
    }
    writer.whenWritten(batch.onWritten);
    writer.forget(next?.finishedPacks ?? 0);
    await writer.room();
  };
  return {
    add(chunk) {
      items.push(isZero(chunk) ? chunk.length : hashed(chunk));
    },
    async endBatch(onWritten) {
      const batch = beginBatch(onWritten);
      const before = pending;
      pending = batch;
      if (before) await settle(before, batch);
    },
    async finish(builder) {
      if (pending) await settle(pending, undefined);
      pending = undefined;
      const ids = await writer.finish();
      log.replay(builder, (number) => (number % 2 === 0 ? ids[number / 2] : foreign.at((number - 1) / 2)) as PackId);
      return { ...sums, newPacks: ids.length };
    },
    async discard() {
      await pending?.found.catch(() => {});
      await writer.discard();
    },
    release: () => known.release(),
    get newBytes() {
      return sums.newBytes;
    },
  };
}

const NOTHING_FOUND: FoundChunks = { locations: [], descriptors: new Map() };

function hashed(bytes: Uint8Array): HashedChunk {
  const digest = digestOf(bytes);
  // 32 characters of one byte each: the cheapest map key that a digest makes.
  const key = Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
  return { bytes, digest, key };
}

interface Numbering {
  numberOf(pack: PackId): number;
  at(number: number): PackId | undefined;
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
  };
}
