import { imageKeyOf, imageLocator, imageSecret, publicDomain } from '@quarry/content';
import type { ImageCatalog, ImageKey, ImageLocator, ImageRecord, ImageRef, ManifestId } from '@quarry/content';

/** An image of which this node has records, as others may name it. */
export interface IndexedImage {
  readonly locator: ImageLocator;
  readonly ref: ImageRef;
  readonly key: ImageKey;
  readonly secret: Uint8Array;
  /** This node published one of its records, and it is private. */
  readonly isOwnPrivate: boolean;
  readonly records: readonly {
    readonly publisher: Uint8Array;
    readonly manifest: ManifestId;
    readonly isPublic: boolean;
  }[];
}

/** Which images the catalog has, by locator and by manifest; kept current. Records without a hash have no locator and are not in it. */
export interface RecordIndex {
  /** Reads the catalog; resolves when all that was there is in the index. */
  start(signal: AbortSignal): Promise<void>;
  stop(): void;
  find(locator: ImageLocator): IndexedImage | undefined;
  /** Images of which a record names the manifest. */
  naming(manifest: ManifestId): readonly IndexedImage[];
  all(): Iterable<IndexedImage>;
}

export function createRecordIndex(deps: {
  readonly catalog: ImageCatalog;
  /** This node's key; undefined: it publishes nothing. */
  readonly publicKey: Uint8Array | undefined;
  /** The image has come, or another record of it. */
  readonly onImage: (image: IndexedImage) => void;
}): RecordIndex {
  const { catalog, publicKey } = deps;
  const byRef = new Map<ImageRef, readonly ImageLocator[]>();
  const byLocator = new Map<ImageLocator, IndexedImage>();
  const byManifest = new Map<ManifestId, Set<ImageLocator>>();
  let stopListening = (): void => {};

  const forget = (ref: ImageRef): void => {
    for (const locator of byRef.get(ref) ?? []) {
      const image = byLocator.get(locator);
      byLocator.delete(locator);
      for (const { manifest } of image?.records ?? []) {
        const named = byManifest.get(manifest);
        if (named?.delete(locator) && named.size === 0) byManifest.delete(manifest);
      }
    }
    byRef.delete(ref);
  };
  const keep = (ref: ImageRef, records: readonly ImageRecord[]): void => {
    forget(ref);
    const images = imagesOf(ref, records, publicKey);
    if (images.length === 0) return;
    byRef.set(
      ref,
      images.map(({ locator }) => locator),
    );
    for (const image of images) {
      byLocator.set(image.locator, image);
      for (const { manifest } of image.records) {
        byManifest.set(manifest, (byManifest.get(manifest) ?? new Set()).add(image.locator));
      }
    }
    for (const image of images) deps.onImage(image);
  };

  return {
    async start(signal) {
      const changed = new Set<ImageRef>();
      let isListed = false;
      stopListening = catalog.onChange((ref, records) => {
        if (!isListed) changed.add(ref);
        keep(ref, records);
      });
      let records: ImageRecord[] = [];
      const keepListed = (): void => {
        const ref = records[0]?.ref;
        // What has changed meanwhile is newer than the list.
        if (ref !== undefined && !changed.has(ref)) keep(ref, records);
        records = [];
      };
      for await (const record of catalog.listRecords({ signal })) {
        if (records[0]?.ref !== record.ref) keepListed();
        records.push(record);
      }
      keepListed();
      isListed = true;
    },
    stop: () => stopListening(),
    find: (locator) => byLocator.get(locator),
    naming: (manifest) => [...(byManifest.get(manifest) ?? [])].flatMap((locator) => byLocator.get(locator) ?? []),
    all: () => byLocator.values(),
  };
}

/** The locator of the image of a record; undefined where it states no hash, or none that could be one. */
export function locatorOf(record: ImageRecord): ImageLocator | undefined {
  const key = imageKeyOf(record);
  try {
    return key && imageLocator(key);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Two publishers may say different things of one ref: these are two images. */
function imagesOf(
  ref: ImageRef,
  records: readonly ImageRecord[],
  publicKey: Uint8Array | undefined,
): readonly IndexedImage[] {
  const images = new Map<ImageLocator, ImageRecord[]>();
  for (const record of records) {
    const locator = locatorOf(record);
    if (locator !== undefined) images.set(locator, [...(images.get(locator) ?? []), record]);
  }
  return [...images].flatMap(([locator, same]) => {
    const key = same[0] && imageKeyOf(same[0]);
    if (!key) return [];
    const named = same.map(({ publisher, manifest, domain }) => ({
      publisher,
      manifest,
      isPublic: domain === publicDomain,
    }));
    const isOwnPrivate = named.some(({ publisher, isPublic }) => !isPublic && isSameKey(publisher, publicKey));
    return [{ locator, ref, key, secret: imageSecret(key), isOwnPrivate, records: named }];
  });
}

export function isSameKey(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
