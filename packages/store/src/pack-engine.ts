import type { PackId } from '@quarry/content';
import { createSemaphore } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import { createChunkIndex } from './chunk-index.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { Database } from './database.ts';
import { createDescriptorFiles } from './descriptor-files.ts';
import { createFreeSpace } from './free-space.ts';
import type { FreeSpace } from './free-space.ts';
import { createHandlePool } from './handle-pool.ts';
import type { HandlePool } from './handle-pool.ts';
import { openHolds } from './holds.ts';
import type { Holds } from './holds.ts';
import { createKnownPacks } from './known-packs.ts';
import type { KnownPacks } from './known-packs.ts';
import { createListeners } from './listeners.ts';
import type { Listeners } from './listeners.ts';
import type { StoreSettings } from './options.ts';
import { createPackIo } from './pack-io.ts';
import type { PackIo } from './pack-io.ts';
import { createPackMarks } from './pack-marks.ts';
import type { PackMarks } from './pack-marks.ts';
import { createPackRoster } from './pack-roster.ts';
import type { PackRoster } from './pack-roster.ts';
import { createRecency } from './recency.ts';
import type { Recency } from './recency.ts';
import { recoverPacks } from './recover-packs.ts';
import type { StoreDirectory } from './store-directory.ts';
import { createSyncBatcher } from './sync-batcher.ts';
import type { SyncBatcher } from './sync-batcher.ts';
import { verifyPacks } from './verify-packs.ts';

/**
 * The parts of the pack store, put together:
 *   known    what is where, in memory            holds    what may not be evicted
 *   roster   adds and removes packs              io       chunks to and from pack files
 *   marks    makes presence durable              batcher  says when
 *   index    which pack has a chunk              recency  which packs were used
 */
export interface PackEngine {
  readonly directory: StoreDirectory;
  readonly known: KnownPacks;
  readonly holds: Holds;
  readonly files: HandlePool;
  readonly freeSpace: FreeSpace;
  readonly index: ChunkIndex;
  readonly roster: PackRoster;
  readonly marks: PackMarks;
  readonly io: PackIo;
  readonly batcher: SyncBatcher;
  readonly recency: Recency;
  readonly onPresent: Listeners<[PackId, number, number]>;
  readonly onAbsent: Listeners<[PackId]>;
  /** A hidden pack may have become free to be removed. */
  readonly onUnused: Listeners<[PackId]>;
}

export interface PackEngineDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly database: Database;
  readonly directory: StoreDirectory;
}

export async function openPackEngine(deps: PackEngineDeps, settings: StoreSettings): Promise<PackEngine> {
  const { clock, logger, database, directory } = deps;
  const { packs } = directory;
  const onPresent = createListeners<[PackId, number, number]>();
  const onAbsent = createListeners<[PackId]>();
  const onUnused = createListeners<[PackId]>();
  const tellUnused = (pack: PackId): void => {
    if (known.findAny(pack)?.isHidden) onUnused.tell(pack);
  };
  const tellAbsent = (pack: PackId): void => onAbsent.tell(pack);

  const files = createHandlePool(settings);
  const freeSpace = createFreeSpace({ directory: directory.path, reserveBytes: settings.reserveBytes });
  const descriptors = createDescriptorFiles({ packs, cacheBytes: settings.descriptorCacheBytes });
  const known = createKnownPacks({ wallMs: () => clock.wallMs(), onTouch: () => recency.noteUse() });
  const recency = createRecency({ clock, logger, database, takeTouched: () => known.takeTouched() }, settings);
  const batcher = createSyncBatcher({ clock, logger, flush: () => marks.flush() }, settings);
  const exclusively = <T>(work: () => Promise<T>): Promise<T> => batcher.exclusively(work);
  const marks = createPackMarks({ packs, database, files, descriptors, exclusively, onAbsent: tellAbsent });
  const onWritten = (bytes: number): void => batcher.noteWritten(bytes);
  const io = createPackIo({ packs, files, freeSpace, marks, onWritten, logger });

  const indexing = createSemaphore(1);
  const index = createChunkIndex({
    database,
    findByNumber: (number) => known.findByNumber(number),
    countIn: (domain) => known.countIn(domain),
    exclusively: (work) => indexing.run(work),
  });
  const pinning = createSemaphore(1);
  const holds = await openHolds({ database, exclusively: (work) => pinning.run(work), onUnleased: tellUnused });
  const shared = { packs, database, files, descriptors, known, freeSpace, index, marks, holds, logger };
  const onAdded = (pack: PackId, piece: number, mask: number): void => onPresent.tell(pack, piece, mask);
  const telling = { onWritten, onPresent: onAdded, onAbsent: tellAbsent, onUnused: tellUnused };
  const roster = createPackRoster({ ...shared, exclusively, ...telling });

  const cut = await recoverPacks({ packs, database, known, logger });
  if (cut.length > 0) {
    const report = await verifyPacks({ io, marks, roster }, cut, { totalBytes: 0, check: () => {} });
    logger.warn('pack files were cut: dropped the chunks that are not whole', { chunks: report.badChunks.length });
  }
  return {
    directory,
    known,
    holds,
    files,
    freeSpace,
    index,
    roster,
    marks,
    io,
    batcher,
    recency,
    onPresent,
    onAbsent,
    onUnused,
  };
}
