import type { ImageRef, ManifestId } from '../ids.ts';
import type { ImageHash } from '../image-hash.ts';
import type { ImageRecord } from '../image-record.ts';
import type { Manifest } from '../manifest.ts';
import type { ImageCatalog } from '../ports/image-catalog.ts';
import { MemoryStoreError } from './memory-store-error.ts';

export interface MemoryImageCatalog extends ImageCatalog {
  close(): Promise<void>;
}

/** An ImageCatalog that is gone when the process is. */
export function createMemoryImageCatalog(): MemoryImageCatalog {
  const manifests = new Map<ManifestId, Manifest>();
  const verified = new Map<ManifestId, ImageHash>();
  /** Per ref, the latest record of each publisher. */
  const records = new Map<ImageRef, Map<string, ImageRecord>>();
  const listeners = new Set<(ref: ImageRef, records: readonly ImageRecord[]) => void>();
  let isClosed = false;

  const enter = (signal?: AbortSignal): void => {
    if (isClosed) throw new MemoryStoreError('STORE_CLOSED', 'the memory catalog is closed: open another');
    signal?.throwIfAborted();
  };
  const dropUnnamed = (id: ManifestId): void => {
    for (const published of records.values()) {
      for (const record of published.values()) if (record.manifest === id) return;
    }
    manifests.delete(id);
    verified.delete(id);
  };
  const latestFirst = (ref: ImageRef): ImageRecord[] =>
    [...(records.get(ref)?.values() ?? [])].sort(
      (a, b) => b.publishedAtMs - a.publishedAtMs || Buffer.compare(a.publisher, b.publisher),
    );
  const tell = (ref: ImageRef): void => {
    for (const listener of listeners) listener(ref, latestFirst(ref));
  };

  return {
    async putManifest(manifest, { signal } = {}) {
      enter(signal);
      manifests.set(manifest.id, manifest);
    },
    async findManifest(id, { signal } = {}) {
      enter(signal);
      return manifests.get(id);
    },
    async putRecord(record, { signal } = {}) {
      enter(signal);
      const published = records.get(record.ref) ?? new Map<string, ImageRecord>();
      const publisher = Buffer.from(record.publisher).toString('hex');
      const known = published.get(publisher);
      if (known && known.publishedAtMs >= record.publishedAtMs) return false;
      records.set(record.ref, published.set(publisher, record));
      if (known) dropUnnamed(known.manifest);
      tell(record.ref);
      return true;
    },
    async findRecords(ref, { signal } = {}) {
      enter(signal);
      return latestFirst(ref);
    },
    async *listRecords({ signal } = {}) {
      enter(signal);
      for (const ref of [...records.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
        for (const record of latestFirst(ref)) {
          enter(signal);
          yield record;
        }
      }
    },
    async removeRecords(ref, { signal, where = () => true } = {}) {
      enter(signal);
      const removed = latestFirst(ref).filter(where);
      const published = records.get(ref);
      for (const record of removed) published?.delete(Buffer.from(record.publisher).toString('hex'));
      if (published?.size === 0) records.delete(ref);
      for (const record of removed) dropUnnamed(record.manifest);
      if (removed.length > 0) tell(ref);
      return removed.length;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async markVerified(id, hash, { signal } = {}) {
      enter(signal);
      if (manifests.has(id)) verified.set(id, hash);
    },
    async findVerified(id, { signal } = {}) {
      enter(signal);
      return verified.get(id);
    },
    async close() {
      isClosed = true;
    },
  };
}
