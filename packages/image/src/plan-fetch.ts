import {
  addChunk,
  chunkDigest,
  chunkLength,
  chunksOf,
  copyChunkSet,
  createChunkSet,
  isEmpty,
  limits,
  minus,
  publicDomain,
  removeChunk,
} from '@quarry/content';
import type { ChunkLocation, ChunkSet, PackDescriptor, PackId, PackStore, PackWant } from '@quarry/content';

/** A chunk that another pack of this host holds under the same digest. */
export interface LocalCopy {
  readonly from: ChunkLocation;
  readonly chunk: number;
}

/** What one pack lacks and this host has elsewhere; in order of chunk. */
export interface PackCopies {
  readonly pack: PackId;
  readonly copies: readonly LocalCopy[];
}

/** Bytes are plain bytes of chunks, each counted once. */
export interface FetchPlan {
  readonly wantedBytes: number;
  readonly presentBytes: number;
  readonly copyBytes: number;
  readonly fetchBytes: number;
  readonly copies: readonly PackCopies[];
  /** For the swarm; packs in the order in which the image needs them. */
  readonly wants: readonly PackWant[];
}

/**
 * What is here of an image, what can be copied from other packs of this host, and what has to come from elsewhere. Copies only within a pack's own
 * domain and from `public`. Changes nothing.
 */
export async function planFetch(
  deps: { readonly store: Pick<PackStore, 'present' | 'findChunks'> },
  needs: ReadonlyMap<PackId, ChunkSet>,
  descriptorOf: (pack: PackId) => PackDescriptor,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<FetchPlan> {
  const { store } = deps;
  const copies: PackCopies[] = [];
  const wants: PackWant[] = [];
  let wantedBytes = 0;
  let presentBytes = 0;
  let copyBytes = 0;
  for (const [pack, need] of needs) {
    const descriptor = descriptorOf(pack);
    const present = store.present(pack);
    const missing = present ? minus(need, present) : copyChunkSet(need);
    const neededBytes = bytesOf(descriptor, need);
    wantedBytes += neededBytes;
    presentBytes += neededBytes - bytesOf(descriptor, missing);
    if (isEmpty(missing)) continue;
    const found = await findElsewhere(store, descriptor, missing, options.signal);
    for (const { chunk } of found) {
      copyBytes += chunkLength(descriptor, chunk);
      removeChunk(missing, chunk);
    }
    if (found.length > 0) copies.push({ pack, copies: found });
    if (!isEmpty(missing)) wants.push({ pack, chunks: missing });
  }
  return { wantedBytes, presentBytes, copyBytes, fetchBytes: wantedBytes - presentBytes - copyBytes, copies, wants };
}

/** Adds chunks to a plan's wants that could not be copied after all. */
export function withWants(
  wants: readonly PackWant[],
  pack: PackId,
  chunkCount: number,
  chunks: readonly number[],
): readonly PackWant[] {
  if (chunks.length === 0) return wants;
  const known = wants.find((want) => want.pack === pack);
  const set = known ? copyChunkSet(known.chunks) : createChunkSet(chunkCount);
  for (const chunk of chunks) addChunk(set, chunk);
  const want = { pack, chunks: set };
  return known ? wants.map((other) => (other === known ? want : other)) : [...wants, want];
}

export function bytesOf(descriptor: PackDescriptor, chunks: ChunkSet): number {
  let bytes = 0;
  for (const chunk of chunksOf(chunks)) bytes += chunkLength(descriptor, chunk);
  return bytes;
}

async function findElsewhere(
  store: Pick<PackStore, 'findChunks'>,
  descriptor: PackDescriptor,
  missing: ChunkSet,
  signal: AbortSignal | undefined,
): Promise<LocalCopy[]> {
  const chunks = [...chunksOf(missing)];
  const digests = new Uint8Array(chunks.length * limits.digestBytes);
  for (const [i, chunk] of chunks.entries()) digests.set(chunkDigest(descriptor, chunk), i * limits.digestBytes);
  const domains = descriptor.domain === publicDomain ? [publicDomain] : [descriptor.domain, publicDomain];
  const found = await store.findChunks(digests, { domains, signal });
  return chunks.flatMap((chunk, i) => {
    const from = found[i];
    return from && from.pack !== descriptor.id ? [{ from, chunk }] : [];
  });
}
