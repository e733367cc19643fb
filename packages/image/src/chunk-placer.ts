import { digestOf, isZero, limits } from '@quarry/content';
import type { ChunkLocation, Domain, ManifestBuilder, PackId, PackStore } from '@quarry/content';
import { storeFailure } from './image-error.ts';
import { createKnownChunks } from './known-chunks.ts';
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
 * lies there; any other is put into a new pack. Each batch of chunks (those of one block) costs one look-up and one write.
 */
export interface ChunkPlacer {
  place(chunks: readonly Uint8Array[]): Promise<void>;
  /** Finishes the last pack and tells the builder where everything is. */
  finish(builder: ManifestBuilder): Promise<PlacementSums & { readonly newPacks: number }>;
  /** Drops the pack that is not full; never rejects. */
  discard(): Promise<void>;
  /** Lets the packs go that were kept from eviction. */
  release(): void;
  readonly newBytes: number;
}

/** One chunk of a batch on its way to a place. */
interface Placement {
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly key: string;
  known: ChunkLocation | undefined;
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
  /** Packs by the number they have in the log: our own by theirs doubled, those of others by odd numbers. */
  const foreign: PackId[] = [];
  const foreignNumbers = new Map<PackId, number>();
  const sums = { zeroBytes: 0, knownBytes: 0, repeatedBytes: 0, newBytes: 0, chunks: 0 };
  /** Where the last chunk lies, if in a pack that was here before. */
  let previous: ChunkLocation | undefined;

  const logKnown = ({ pack, chunk }: ChunkLocation, length: number): void => {
    let number = foreignNumbers.get(pack);
    if (number === undefined) {
      number = foreign.push(pack) - 1;
      foreignNumbers.set(pack, number);
    }
    log.addChunk(2 * number + 1, chunk, length);
  };
  const logOwn = ({ packNumber, chunk }: OwnLocation, length: number): void => {
    log.addChunk(2 * packNumber, chunk, length);
  };
  /** Fills in what the store knows, with one question for all that is not obvious. */
  const lookUp = async (batch: readonly (Placement | undefined)[]): Promise<void> => {
    const asked: Placement[] = [];
    let before = previous;
    for (const placement of batch) {
      if (!placement) continue;
      const isOwn = writer.find(placement.key) !== undefined;
      placement.known = isOwn || !before ? undefined : known.follow(before, placement.digest);
      before = placement.known;
      if (!isOwn && !before) asked.push(placement);
    }
    if (asked.length === 0) return;
    const digests = new Uint8Array(asked.length * limits.digestBytes);
    for (const [i, { digest }] of asked.entries()) digests.set(digest, i * limits.digestBytes);
    const found = await known.find(digests, previous);
    for (const [i, placement] of asked.entries()) placement.known = found[i];
  };
  const settle = ({ bytes, digest, key, known: found }: Placement): void => {
    const length = bytes.length;
    sums.chunks += 1;
    const own = writer.find(key);
    if (own) {
      sums.repeatedBytes += length;
      previous = undefined;
      return logOwn(own, length);
    }
    const location = (previous && known.follow(previous, digest)) ?? found;
    previous = location;
    if (!location) {
      sums.newBytes += length;
      return logOwn(writer.add(key, digest, bytes), length);
    }
    if (ownPacks.has(location.pack)) sums.repeatedBytes += length;
    else sums.knownBytes += length;
    logKnown(location, length);
  };
  return {
    async place(chunks) {
      const batch = chunks.map(toPlacement);
      try {
        await lookUp(batch);
      } catch (error) {
        throw storeFailure('known chunks were looked up', error, signal);
      }
      for (const [i, placement] of batch.entries()) {
        if (placement) settle(placement);
        else {
          const length = chunks[i]?.length ?? 0;
          sums.zeroBytes += length;
          log.addZeros(length);
        }
      }
      await writer.flush();
    },
    async finish(builder) {
      const ids = await writer.finish();
      log.replay(builder, (number) => (number % 2 === 0 ? ids[number / 2] : foreign[(number - 1) / 2]) as PackId);
      return { ...sums, newPacks: ids.length };
    },
    discard: () => writer.discard(),
    release: () => known.release(),
    get newBytes() {
      return sums.newBytes;
    },
  };
}

function toPlacement(bytes: Uint8Array): Placement | undefined {
  if (isZero(bytes)) return undefined;
  const digest = digestOf(bytes);
  return { bytes, digest, key: keyOf(digest), known: undefined };
}

/** 32 characters of one byte each: the cheapest map key that a digest makes. */
function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
}
