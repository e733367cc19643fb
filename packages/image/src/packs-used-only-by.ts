import type { ImageCatalog, ManifestId, PackId } from '@quarry/content';

interface Options {
  readonly signal?: AbortSignal | undefined;
}

/** The packs of these manifests that no other manifest uses of which the catalog has a record. Unknown manifests have none. */
export async function packsUsedOnlyBy(
  catalog: Pick<ImageCatalog, 'findManifest' | 'listRecords'>,
  manifests: Iterable<ManifestId>,
  options: Options = {},
): Promise<readonly PackId[]> {
  const ids = new Set(manifests);
  const packs = new Set<PackId>();
  for (const id of ids) for (const pack of (await catalog.findManifest(id, options))?.packs ?? []) packs.add(pack);
  return withoutThoseInUse(catalog, packs, { ...options, exceptManifests: ids });
}

/** Those of the packs that no manifest with a record uses, apart from the exceptions. One manifest at a time is in memory. */
export async function withoutThoseInUse(
  catalog: Pick<ImageCatalog, 'findManifest' | 'listRecords'>,
  packs: Iterable<PackId>,
  options: Options & { readonly exceptManifests?: ReadonlySet<ManifestId> } = {},
): Promise<readonly PackId[]> {
  const { signal } = options;
  const unused = new Set(packs);
  const seen = new Set(options.exceptManifests);
  for await (const { manifest: id } of catalog.listRecords({ signal })) {
    if (unused.size === 0) break;
    if (seen.has(id)) continue;
    seen.add(id);
    for (const pack of (await catalog.findManifest(id, { signal }))?.packs ?? []) unused.delete(pack);
  }
  return [...unused];
}
