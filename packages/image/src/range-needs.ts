import { addRun, chunkNeeds, createChunkSet, hasChunk, packMisuse } from '@quarry/content';
import type { ChunkSet, Manifest, PackDescriptor, PackId, PackStore } from '@quarry/content';
import { ImageError } from './image-error.ts';
import type { ImageRange } from './image-range.ts';
import { extentAtOffset, imageSteps } from './image-steps.ts';
import { imageDefaults } from './options.ts';

/** The packs that a range lies in, in its order. */
export function packsIn(manifest: Manifest, { from, to }: ImageRange): readonly PackId[] {
  if (from === 0 && to === manifest.imageBytes) return manifest.packs;
  const packs = new Set<PackId>();
  const { count, offsets, packs: packIndexes } = manifest.extents;
  for (let extent = extentAtOffset(manifest, from); extent < count && (offsets[extent] ?? 0) < to; extent += 1) {
    const pack = manifest.packs[packIndexes[extent] ?? -1];
    if (pack !== undefined) packs.add(pack);
  }
  return [...packs];
}

/** Whether all chunks of the extents that a range touches are present. Asks for no descriptor: of an image of 20 GB these would be 10 MB to read. */
export function isAllPresent(store: Pick<PackStore, 'present'>, manifest: Manifest, { from, to }: ImageRange): boolean {
  const { count, offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  const present = new Map<number, ChunkSet | undefined>();
  for (let extent = extentAtOffset(manifest, from); extent < count && (offsets[extent] ?? 0) < to; extent += 1) {
    const index = packs[extent] ?? -1;
    const pack = manifest.packs[index];
    if (pack === undefined) continue;
    if (!present.has(index)) present.set(index, store.present(pack));
    const set = present.get(index);
    const first = firstChunks[extent] ?? 0;
    for (let chunk = first; chunk < first + (chunkCounts[extent] ?? 0); chunk += 1) {
      if (!set || !hasChunk(set, chunk)) return false;
    }
  }
  return true;
}

/** Which chunks of which packs make a range. @throws ImageError IMAGE_BAD_MANIFEST */
export async function rangeNeeds(
  manifest: Manifest,
  descriptorOf: (pack: PackId) => PackDescriptor,
  range: ImageRange,
): Promise<ReadonlyMap<PackId, ChunkSet>> {
  if (range.from === 0 && range.to === manifest.imageBytes) {
    try {
      return chunkNeeds(manifest, descriptorOf);
    } catch (cause) {
      const message = `manifest ${manifest.id} does not fit its packs`;
      throw new ImageError('IMAGE_BAD_MANIFEST', message, { details: { manifest: manifest.id }, cause });
    }
  }
  const needs = new Map<PackId, ChunkSet>();
  const get = async (pack: PackId): Promise<PackDescriptor> => {
    const misuse = packMisuse(manifest, descriptorOf(pack));
    if (misuse !== undefined)
      throw new ImageError('IMAGE_BAD_MANIFEST', misuse, { details: { manifest: manifest.id, pack } });
    return descriptorOf(pack);
  };
  for await (const step of imageSteps(manifest, { get }, { maxBytes: imageDefaults.stepBytes, ...range })) {
    for (const { descriptor, firstChunk, count } of step.parts) {
      const set = needs.get(descriptor.id) ?? createChunkSet(descriptor.chunkCount);
      addRun(set, firstChunk, count);
      needs.set(descriptor.id, set);
    }
  }
  return needs;
}
