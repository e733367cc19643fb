import type { Manifest, PackDescriptor, PackId } from '@quarry/content';

/** Where in an image each chunk of its packs lies (at its first occurrence): the manifest read backwards. 8 bytes per chunk. */
export interface ImageMap {
  /** Undefined for a pack that the image does not use. */
  descriptorOf(pack: PackId): PackDescriptor | undefined;
  /** The image's byte at which the chunk begins; undefined where the image does not contain it. */
  offsetOf(pack: PackId, chunk: number): number | undefined;
}

const NOWHERE = -1;

export function createImageMap(manifest: Manifest, descriptorOf: (pack: PackId) => PackDescriptor): ImageMap {
  const { count, offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  const maps = manifest.packs.map((pack) => {
    const descriptor = descriptorOf(pack);
    return { descriptor, at: new Float64Array(descriptor.chunkCount).fill(NOWHERE) };
  });
  const byPack = new Map(manifest.packs.map((pack, index) => [pack, maps[index]]));
  for (let extent = 0; extent < count; extent += 1) {
    const map = maps[packs[extent] ?? -1];
    if (!map) continue;
    const first = firstChunks[extent] ?? 0;
    const start = (offsets[extent] ?? 0) - (map.descriptor.offsets[first] ?? 0);
    for (let chunk = first; chunk < first + (chunkCounts[extent] ?? 0); chunk += 1) {
      if (map.at[chunk] === NOWHERE) map.at[chunk] = start + (map.descriptor.offsets[chunk] ?? 0);
    }
  }
  return {
    descriptorOf: (pack) => byPack.get(pack)?.descriptor,
    offsetOf(pack, chunk) {
      const at = byPack.get(pack)?.at[chunk] ?? NOWHERE;
      return at === NOWHERE ? undefined : at;
    },
  };
}
