import { packMisuse } from '@quarry/content';
import type { Manifest, PackDescriptor, PackId, PackStore } from '@quarry/content';
import { ImageError, storeFailure } from './image-error.ts';
import { imageDefaults } from './options.ts';

/** The descriptors that a reader of an image needs, the most recently used of them in memory. */
export interface DescriptorCache {
  /** Rejects with IMAGE_UNKNOWN_PARTS if the store does not know the pack, IMAGE_BAD_MANIFEST if the image may not use it. */
  get(pack: PackId): Promise<PackDescriptor>;
}

export function createDescriptorCache(
  deps: { readonly store: Pick<PackStore, 'findPack'> },
  manifest: Manifest,
  options: { readonly signal?: AbortSignal | undefined } = {},
): DescriptorCache {
  const { signal } = options;
  const kept = new Map<PackId, PackDescriptor>();
  const load = async (pack: PackId): Promise<PackDescriptor> => {
    const descriptor = await deps.store.findPack(pack, { signal }).catch((error: unknown) => {
      throw storeFailure('a pack was looked up', error, signal);
    });
    const details = { manifest: manifest.id, pack };
    if (!descriptor) {
      const message = `the store does not know pack ${pack} of manifest ${manifest.id}: fetch the image first`;
      throw new ImageError('IMAGE_UNKNOWN_PARTS', message, { details });
    }
    const misuse = packMisuse(manifest, descriptor);
    if (misuse !== undefined) throw new ImageError('IMAGE_BAD_MANIFEST', misuse, { details });
    return descriptor;
  };
  return {
    async get(pack) {
      const descriptor = kept.get(pack) ?? (await load(pack));
      kept.delete(pack);
      kept.set(pack, descriptor);
      const [oldest] = kept.keys();
      if (kept.size > imageDefaults.maxDescriptorsInMemory && oldest !== undefined) kept.delete(oldest);
      return descriptor;
    },
  };
}
