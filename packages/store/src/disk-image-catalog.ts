import {
  ByteReader,
  ByteWriter,
  ContentError,
  decodeImageRecord,
  decodeManifest,
  encodeImageRecord,
  encodeManifest,
  readImageHash,
  writeImageHash,
} from '@quarry/content';
import type { ImageCatalog, ImageHash, ImageRecord, ImageRef, ManifestId } from '@quarry/content';
import { createSemaphore } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { createCalls } from './calls.ts';
import type { Database, DatabaseWrite } from './database.ts';
import { closedError } from './errors.ts';
import { manifestKey, namedByKey, namedByPrefix, recordKey, recordPrefix, refPrefix, verifiedKey } from './keys.ts';

export interface DiskImageCatalog extends ImageCatalog {
  close(): Promise<void>;
}

interface StoredRecord {
  readonly key: Uint8Array;
  readonly record: ImageRecord;
}

/** An ImageCatalog in the store's index. Changes run one at a time, each in one durable batch. */
export function createDiskImageCatalog(deps: {
  readonly database: Database;
  readonly logger: Logger;
  readonly directory: string;
}): DiskImageCatalog {
  const { database, logger } = deps;
  const calls = createCalls(() => closedError(deps.directory));
  const changing = createSemaphore(1);
  const listeners = new Set<(ref: ImageRef, records: readonly ImageRecord[]) => void>();
  let closing: Promise<void> | undefined;

  /** Damage in the index costs the entry: it is a cache of what publishers signed. */
  const parsed = <T>(parse: () => T, what: string): T | undefined => {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      logger.error('an entry of the image catalog is damaged: passed over', { what, error: error.message });
      return undefined;
    }
  };
  const readRecords = async (prefix: Uint8Array): Promise<StoredRecord[]> => {
    const records: StoredRecord[] = [];
    for await (const { key, value } of database.scan(prefix)) {
      const record = parsed(() => decodeImageRecord(value), 'image record');
      if (record) records.push({ key, record });
    }
    return records;
  };
  const latestFirst = async (ref: ImageRef): Promise<ImageRecord[]> => {
    const records = (await readRecords(refPrefix(ref))).map(({ record }) => record);
    // In the order of their publishers as they come, which decides where two are equally late.
    return records.sort((a, b) => b.publishedAtMs - a.publishedAtMs);
  };
  /** What goes with `records`: their entries, and manifests that only they name. */
  const removalOf = async (records: readonly StoredRecord[]): Promise<DatabaseWrite[]> => {
    const writes: DatabaseWrite[] = [];
    const naming = new Map<ManifestId, number>();
    for (const { key, record } of records) {
      writes.push({ key, value: undefined }, { key: namedByKey(record.manifest, key), value: undefined });
      naming.set(record.manifest, (naming.get(record.manifest) ?? 0) + 1);
    }
    for (const [manifest, removed] of naming) {
      let named = 0;
      for await (const _ of database.scan(namedByPrefix(manifest))) named += 1;
      if (named > removed) continue;
      writes.push({ key: manifestKey(manifest), value: undefined }, { key: verifiedKey(manifest), value: undefined });
    }
    return writes;
  };
  const tell = async (ref: ImageRef): Promise<void> => {
    if (listeners.size === 0) return;
    const records = await latestFirst(ref);
    for (const listener of listeners) listener(ref, records);
  };

  return {
    putManifest: (manifest, { signal } = {}) =>
      calls.run(signal, async () => {
        const key = manifestKey(manifest.id);
        await database.write([{ key, value: encodeManifest(manifest) }], { isDurable: true });
      }),
    findManifest: (id, { signal } = {}) =>
      calls.run(signal, async () => {
        const bytes = await database.find(manifestKey(id));
        return bytes && parsed(() => decodeManifest(bytes, id), `manifest ${id}`);
      }),
    putRecord: (record, { signal } = {}) =>
      calls.run(signal, () =>
        changing.run(async () => {
          const key = recordKey(record.ref, record.publisher);
          const bytes = await database.find(key);
          const known = bytes && parsed(() => decodeImageRecord(bytes), 'image record');
          if (known && known.publishedAtMs >= record.publishedAtMs) return false;
          const isRenamed = known !== undefined && known.manifest !== record.manifest;
          await database.write(
            [
              ...(isRenamed ? await removalOf([{ key, record: known }]) : []),
              { key, value: encodeImageRecord(record) },
              { key: namedByKey(record.manifest, key), value: new Uint8Array(0) },
            ],
            { isDurable: true },
          );
          await tell(record.ref);
          return true;
        }),
      ),
    findRecords: (ref, { signal } = {}) => calls.run(signal, () => latestFirst(ref)),
    async *listRecords({ signal } = {}) {
      calls.check(signal);
      let listed: ImageRef | undefined;
      for await (const { value } of database.scan(recordPrefix)) {
        calls.check(signal);
        const record = parsed(() => decodeImageRecord(value), 'image record');
        if (!record || record.ref === listed) continue;
        listed = record.ref;
        for (const each of await calls.run(signal, () => latestFirst(record.ref))) {
          calls.check(signal);
          yield each;
        }
      }
    },
    removeRecords: (ref, { signal, where = () => true } = {}) =>
      calls.run(signal, () =>
        changing.run(async () => {
          const records = (await readRecords(refPrefix(ref))).filter(({ record }) => where(record));
          if (records.length === 0) return 0;
          await database.write(await removalOf(records), { isDurable: true });
          await tell(ref);
          return records.length;
        }),
      ),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    markVerified: (id, hash, { signal } = {}) =>
      calls.run(signal, () =>
        changing.run(async () => {
          if (!(await database.find(manifestKey(id)))) return;
          await database.write([{ key: verifiedKey(id), value: encodeHash(hash) }], { isDurable: true });
        }),
      ),
    findVerified: (id, { signal } = {}) =>
      calls.run(signal, async () => {
        const bytes = await database.find(verifiedKey(id));
        return bytes && parsed(() => decodeHash(bytes), `verified hash of manifest ${id}`);
      }),
    close() {
      closing ??= calls.stop();
      return closing;
    },
  };
}

function encodeHash(hash: ImageHash): Uint8Array {
  const writer = new ByteWriter(80);
  writeImageHash(writer, hash);
  return writer.finish();
}

/** A flipped bit makes another hash of it, which is nobody's: then the image is held against its hash once more. */
function decodeHash(bytes: Uint8Array): ImageHash | undefined {
  const reader = new ByteReader(bytes, 'verified hash');
  const hash = readImageHash(reader);
  reader.end();
  return hash;
}
