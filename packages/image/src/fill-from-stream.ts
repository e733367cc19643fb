import { chunkLength, copyChunkSet, hasChunk, removeChunk, verifyPiece } from '@quarry/content';
import type { ChunkSet, Manifest, PackDescriptor, PackId, PackStore, PackWant } from '@quarry/content';
import { ImageError, messageOf, storeFailure } from './image-error.ts';
import { imageDefaults } from './options.ts';
import { readAhead } from './read-ahead.ts';

/** Chunks of one piece, in ascending order, that have gone by and are not written yet. */
interface Gathering {
  readonly descriptor: PackDescriptor;
  readonly piece: number;
  mask: number;
  readonly chunks: Uint8Array[];
}

/**
 * Takes wanted chunks out of a whole image that streams by: the way out where peers have failed and the origin cannot read from the middle.
 * Stops reading after the last of them. Resolves to the bytes that were kept.
 * @throws ImageError IMAGE_SOURCE_FAILED, IMAGE_ORIGIN_DIFFERS, IMAGE_NO_SPACE, IMAGE_STORE_FAILED; the signal's reason
 */
export async function fillFromStream(
  deps: { readonly store: PackStore },
  manifest: Manifest,
  descriptorOf: (pack: PackId) => PackDescriptor,
  wants: readonly PackWant[],
  stream: AsyncIterable<Uint8Array>,
  options: { readonly signal?: AbortSignal | undefined; readonly onFilled?: (bytes: number) => void } = {},
): Promise<number> {
  const { signal } = options;
  const left = new Map<PackId, ChunkSet>(wants.map(({ pack, chunks }) => [pack, copyChunkSet(chunks)]));
  let filledBytes = 0;
  let gathering: Gathering | undefined;
  const write = async (): Promise<void> => {
    if (!gathering) return;
    const { descriptor, piece, mask, chunks } = gathering;
    gathering = undefined;
    const bytes = Buffer.concat(chunks);
    await writeVerified(deps.store, manifest, descriptor, piece, mask, bytes, signal);
    filledBytes += bytes.length;
    options.onFilled?.(bytes.length);
  };
  const reader = createStreamReader(manifest, stream, signal);
  try {
    let position = 0;
    for (const { descriptor, chunk, offset } of wantedInOrder(manifest, descriptorOf, left)) {
      const bytes = await reader.take(offset - position, chunkLength(descriptor, chunk));
      position = offset + bytes.length;
      const piece = Math.floor(chunk / descriptor.chunksPerPiece);
      const bit = 1 << (chunk - piece * descriptor.chunksPerPiece);
      if (gathering?.descriptor !== descriptor || gathering.piece !== piece || gathering.mask > bit) await write();
      gathering ??= { descriptor, piece, mask: 0, chunks: [] };
      gathering.mask |= bit;
      gathering.chunks.push(bytes);
    }
    await write();
    return filledBytes;
  } finally {
    await reader.close();
  }
}

/** Each wanted chunk once, in the order in which the image has them. */
function* wantedInOrder(
  manifest: Manifest,
  descriptorOf: (pack: PackId) => PackDescriptor,
  left: ReadonlyMap<PackId, ChunkSet>,
): Generator<{ readonly descriptor: PackDescriptor; readonly chunk: number; readonly offset: number }> {
  const { count, offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  for (let extent = 0; extent < count; extent += 1) {
    const pack = manifest.packs[packs[extent] ?? -1];
    const wanted = pack === undefined ? undefined : left.get(pack);
    if (pack === undefined || wanted === undefined) continue;
    const descriptor = descriptorOf(pack);
    const first = firstChunks[extent] ?? 0;
    let offset = offsets[extent] ?? 0;
    for (let chunk = first; chunk < first + (chunkCounts[extent] ?? 0); chunk += 1) {
      if (hasChunk(wanted, chunk)) {
        removeChunk(wanted, chunk);
        yield { descriptor, chunk, offset };
      }
      offset += chunkLength(descriptor, chunk);
    }
  }
}

async function writeVerified(
  store: PackStore,
  manifest: Manifest,
  descriptor: PackDescriptor,
  piece: number,
  mask: number,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let verified: ReturnType<typeof verifyPiece>;
  try {
    verified = verifyPiece(descriptor, piece, mask, bytes);
  } catch (cause) {
    const message = `the image that streamed by is not what manifest ${manifest.id} says: it changed, or the manifest is wrong`;
    throw new ImageError('IMAGE_ORIGIN_DIFFERS', message, { details: { pack: descriptor.id, piece }, cause });
  }
  await store.writePiece(verified, { signal }).catch((error: unknown) => {
    throw storeFailure('chunks of a stream were kept', error, signal);
  });
}

interface StreamReader {
  /** Passes over `skipBytes`, then the next `length` bytes in a buffer of their own. */
  take(skipBytes: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

function createStreamReader(
  manifest: Manifest,
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): StreamReader {
  const buffers = readAhead(stream, { maxBytes: imageDefaults.maxReadAheadBytes, signal });
  let current: Uint8Array = new Uint8Array(0);
  const refill = async (): Promise<void> => {
    let next: IteratorResult<Uint8Array, void>;
    try {
      next = await buffers.next();
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      throw new ImageError('IMAGE_SOURCE_FAILED', `reading the image failed: ${messageOf(cause)}`, {
        cause,
        canRetry: true,
      });
    }
    if (next.done === true) {
      const message = `the image that streamed by ended before the last chunk of manifest ${manifest.id}`;
      throw new ImageError('IMAGE_ORIGIN_DIFFERS', message, { details: { manifest: manifest.id } });
    }
    current = next.value;
  };
  return {
    async take(skipBytes, length) {
      for (let skip = skipBytes; skip > 0; ) {
        if (current.length === 0) await refill();
        const count = Math.min(skip, current.length);
        current = current.subarray(count);
        skip -= count;
      }
      const taken = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        if (current.length === 0) await refill();
        const count = Math.min(length - at, current.length);
        taken.set(current.subarray(0, count), at);
        current = current.subarray(count);
        at += count;
      }
      return taken;
    },
    async close() {
      await buffers.return();
    },
  };
}
