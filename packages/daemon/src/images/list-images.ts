import { chunkLength, chunkNeeds, chunksOf, hasChunk } from '@quarry/content';
import type { ImageCatalog, ImageRecord, Manifest, PackDescriptor, PackId, PackStore, Signer } from '@quarry/content';
import type { Trust } from '@quarry/image';
import type { Cancellable, ImageListing } from '../daemon.ts';
import { formatImageHash } from '../image-hash-text.ts';

export interface ListDeps {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly signer: Signer;
  readonly trust: Trust;
  /** Records that connected members know. */
  readonly listRecords: (waiting: Cancellable) => Promise<readonly ImageRecord[]>;
  readonly peerOfKey: (publicKey: Uint8Array) => string;
}

/** What pins of one image are called. */
export function pinReason(image: string): string {
  return `image:${image}`;
}

/** What this node has or could fetch: of each image the latest record. */
export async function listImages(deps: ListDeps, { signal }: Cancellable): Promise<readonly ImageListing[]> {
  const trusted = new Set(
    [...deps.trust.publishers, deps.signer.publicKey].map((key) => Buffer.from(key).toString('hex')),
  );
  const pins = await deps.store.pins();
  const latest = new Map<string, ImageRecord>();
  const consider = (record: ImageRecord): void => {
    const known = latest.get(record.ref);
    if (!known || known.publishedAtMs < record.publishedAtMs) latest.set(record.ref, record);
  };
  for await (const record of deps.catalog.listRecords({ signal })) consider(record);
  for (const record of await deps.listRecords({ signal })) consider(record);
  const listings: ImageListing[] = [];
  for (const record of [...latest.values()].sort((a, b) => (a.ref < b.ref ? -1 : 1))) {
    const manifest = await deps.catalog.findManifest(record.manifest, { signal });
    listings.push({
      image: record.ref,
      imageBytes: record.imageBytes,
      domain: record.domain,
      hash: record.hash && formatImageHash(record.hash),
      publisher: deps.peerOfKey(record.publisher),
      isTrusted: trusted.has(Buffer.from(record.publisher).toString('hex')),
      localBytes: manifest && (await presentBytes(deps.store, manifest)),
      isPinned: pins.has(pinReason(record.ref)),
    });
  }
  return listings;
}

/** Plain bytes of the image's own chunks that are here. */
async function presentBytes(store: PackStore, manifest: Manifest): Promise<number | undefined> {
  const descriptors = new Map<PackId, PackDescriptor>();
  for (const pack of manifest.packs) {
    const descriptor = await store.findPack(pack);
    if (!descriptor) return undefined;
    descriptors.set(pack, descriptor);
  }
  let bytes = 0;
  for (const [pack, needed] of chunkNeeds(manifest, (id) => descriptors.get(id) as PackDescriptor)) {
    const [present, descriptor] = [store.present(pack), descriptors.get(pack)];
    if (!present || !descriptor) continue;
    for (const chunk of chunksOf(needed)) if (hasChunk(present, chunk)) bytes += chunkLength(descriptor, chunk);
  }
  return bytes;
}
