import type { ImageCatalog, ImageRef, ManifestId, PackId, PackStore } from '@quarry/content';
import { packsUsedOnlyBy } from './packs-used-only-by.ts';

export interface RemovedImage {
  /** Records that went. */
  readonly records: number;
  /** Packs that no other image uses: gone, or gone for all but who reads them now. */
  readonly packs: readonly PackId[];
  /** What these took in the store. */
  readonly bytes: number;
  /** Packs that would have gone as well if they were not pinned. */
  readonly pinnedPacks: readonly PackId[];
}

/**
 * Forgets an image that is no more: its records, the manifests that no other image shares and the packs that nothing else uses. The packs go first: whoever
 * is killed in between finds the records again, and so what is left to be done. `exceptManifest` is of the image as it is now, where only an earlier one goes.
 * An image that is being ingested at this moment and shares packs with this one keeps them.
 */
export async function removeImage(
  deps: { readonly store: Pick<PackStore, 'discard'>; readonly catalog: ImageCatalog },
  ref: ImageRef,
  options: { readonly exceptManifest?: ManifestId | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<RemovedImage> {
  const { store, catalog } = deps;
  const { signal, exceptManifest } = options;
  const manifests = new Set<ManifestId>();
  for (const { manifest } of await catalog.findRecords(ref, { signal })) manifests.add(manifest);
  for await (const { ref: other, manifest } of catalog.listRecords({ signal })) {
    if (other !== ref) manifests.delete(manifest);
  }
  if (exceptManifest !== undefined) manifests.delete(exceptManifest);
  const unused = await packsUsedOnlyBy(catalog, manifests, { signal });
  const { removedPacks, heldPacks, pinnedPacks, bytes } = await store.discard(unused, { signal });
  const records = await catalog.removeRecords(ref, { signal, where: ({ manifest }) => manifest !== exceptManifest });
  return { records, packs: [...removedPacks, ...heldPacks], bytes, pinnedPacks };
}
