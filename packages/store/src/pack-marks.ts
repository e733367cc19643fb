import type { ChunkSet, PackDescriptor, PackId } from '@quarry/content';
import { createSemaphore } from '@quarry/runtime';
import type { Database } from './database.ts';
import type { DescriptorFiles } from './descriptor-files.ts';
import { ioError } from './errors.ts';
import type { HandlePool } from './handle-pool.ts';
import { packKey } from './keys.ts';
import type { KnownPack } from './known-packs.ts';
import { packDirectory, packFile } from './pack-paths.ts';
import { encodePackRecord } from './pack-record.ts';
import { confirmMark, dropPresent, durableMark, markOf, rollBack } from './presence.ts';
import type { PresenceMark } from './presence.ts';
import { syncDirectory } from './store-directory.ts';

/**
 * Takes what is present into the records on disk, and never in another order than this:
 *   1. remember what is present now (`markOf`)
 *   2. fdatasync of the pack file; the first time also fsync of the descriptor and of the directories that name both
 *   3. one batch of records, synced
 * A crash before 3 loses the chunks since the last time; after it their data is on disk. Nothing else ever adds a bit to a record.
 */
export interface PackMarks {
  /** The pack has chunks that its record does not name. */
  noteWritten(pack: KnownPack): void;
  /** Resolves to an error if a file could not be synced: its chunks since the last flush are lost. Rejects if only the records failed: nothing is. */
  flush(): Promise<Error | undefined>;
  /** Takes chunks from presence, and from the record. Returns how many were present. */
  drop(pack: KnownPack, descriptor: PackDescriptor, chunks: ChunkSet): Promise<number>;
  /** Writes a record that named dropped chunks anew. */
  settle(pack: KnownPack): Promise<void>;
  record(pack: KnownPack, mark: PresenceMark): { readonly key: Uint8Array; readonly value: Uint8Array };
}

export interface PackMarksDeps {
  readonly packs: string;
  readonly database: Database;
  readonly files: HandlePool;
  readonly descriptors: DescriptorFiles;
  /** Never together with a flush. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onAbsent: (pack: PackId) => void;
}

/** Of libuv's four threads two are left for reading and writing. */
const SYNCS_AT_ONCE = 2;

export function createPackMarks(deps: PackMarksDeps): PackMarks {
  const { packs, database, files, descriptors } = deps;
  const syncing = createSemaphore(SYNCS_AT_ONCE);
  const unmarked = new Set<KnownPack>();

  const record: PackMarks['record'] = ({ id, number, domain, secret, chunkCount }, mark) => ({
    key: packKey(id),
    value: encodePackRecord({ number, domain, secret, chunkCount, ...mark }),
  });
  const syncFiles = async (pack: KnownPack): Promise<void> => {
    if (!pack.isAnchored) await descriptors.sync(pack.id);
    await files.sync(packFile(packs, pack.id));
    if (pack.isAnchored) return;
    await syncDirectory(packDirectory(packs, pack.id));
    await syncDirectory(packs);
  };
  const settleNow = async (pack: KnownPack): Promise<void> => {
    if (!pack.presence.isRecordAhead || pack.isGone || pack.isHidden) return; // a hidden one has no record
    const mark = durableMark(pack.presence);
    await database.write([record(pack, mark)], { isDurable: true });
    confirmMark(pack.presence, mark);
  };

  return {
    noteWritten: (pack) => void unmarked.add(pack),
    async flush() {
      const flushed = [...unmarked].filter((pack) => !pack.isGone && !pack.isHidden);
      unmarked.clear();
      const marks = new Map<KnownPack, PresenceMark>();
      let lost: Error | undefined;
      const flushOne = async (pack: KnownPack): Promise<void> => {
        const mark = markOf(pack.presence);
        try {
          await syncFiles(pack);
          marks.set(pack, mark);
        } catch (error) {
          pack.failures += 1;
          lost = ioError(error, `making pack ${pack.id} durable`, { pack: pack.id });
          if (rollBack(pack.presence)) deps.onAbsent(pack.id);
        }
      };
      await Promise.all(flushed.map((pack) => syncing.run(() => flushOne(pack))));
      try {
        const records = [...marks].map(([pack, mark]) => record(pack, mark));
        if (records.length > 0) await database.write(records, { isDurable: true });
      } catch (error) {
        for (const pack of marks.keys()) unmarked.add(pack);
        throw error;
      }
      for (const [pack, mark] of marks) {
        confirmMark(pack.presence, mark);
        pack.isAnchored = true;
      }
      return lost;
    },
    drop: (pack, descriptor, chunks) =>
      deps.exclusively(async () => {
        if (pack.isGone) return 0;
        const dropped = dropPresent(pack.presence, descriptor, chunks);
        if (dropped > 0) deps.onAbsent(pack.id);
        await settleNow(pack);
        return dropped;
      }),
    settle: (pack) => deps.exclusively(() => settleNow(pack)),
    record,
  };
}
