import { rm } from 'node:fs/promises';
import { ContentError, encodePackDescriptor, pieceMask } from '@quarry/content';
import type { PackDescriptor, PackId } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import type { ChunkIndex } from './chunk-index.ts';
import type { Database, DatabaseWrite } from './database.ts';
import type { DescriptorFiles } from './descriptor-files.ts';
import { ioError } from './errors.ts';
import type { FreeSpace } from './free-space.ts';
import type { HandlePool } from './handle-pool.ts';
import type { Holds } from './holds.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { discardedKey, lastUseKey, packKey } from './keys.ts';
import type { KnownPack, KnownPacks } from './known-packs.ts';
import type { PackMarks } from './pack-marks.ts';
import { packFile } from './pack-paths.ts';
import { confirmMark, createPresence, durableMark } from './presence.ts';

/** What became of a pack that was discarded; `gone`: it was so before. */
export type DiscardFate = 'gone' | 'pinned' | 'held' | 'removed';

/** Which packs the store has: adding one, finding its descriptor, removing it. Of one pack one change at a time. */
export interface PackRoster {
  /** Adds a pack, or finds it known, or hidden, and known again. The caller is counted among its users until it leaves. */
  enter(descriptor: PackDescriptor): Promise<KnownPack>;
  leave(pack: KnownPack): void;
  /** Undefined where the file is missing or damaged; the pack is removed then. */
  descriptorOf(pack: KnownPack): PackDescriptor | undefined | Promise<PackDescriptor | undefined>;
  /** Known, or being added or removed: files of that name are no strays. */
  isInUse(id: PackId): boolean;
  /** Nobody adds the pack while this is done; it is not done if somebody has. */
  whileUnknown(id: PackId, work: () => Promise<void>): Promise<void>;
  /** Whether it went: a pack that is used or held stays. */
  remove(pack: KnownPack): Promise<boolean>;
  /** Removes a pack whoever wants it; hides it while it is used or leased. */
  discard(pack: KnownPack): Promise<DiscardFate>;
  /** Removes a hidden pack that nobody uses any more. */
  removeHidden(id: PackId): Promise<void>;
}

export interface PackRosterDeps {
  readonly packs: string;
  readonly database: Database;
  readonly files: HandlePool;
  readonly descriptors: DescriptorFiles;
  readonly known: KnownPacks;
  readonly freeSpace: FreeSpace;
  readonly index: ChunkIndex;
  readonly marks: PackMarks;
  readonly holds: Pick<Holds, 'isPinned' | 'isLeased' | 'isHeld'>;
  /** Never together with a flush. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onWritten: (bytes: number) => void;
  readonly onPresent: (pack: PackId, piece: number, mask: number) => void;
  readonly onAbsent: (pack: PackId) => void;
  readonly onUnused: (pack: PackId) => void;
  readonly logger: Logger;
}

const NOTHING = new Uint8Array(0);

export function createPackRoster(deps: PackRosterDeps): PackRoster {
  const { packs, database, files, descriptors, known, holds, marks, logger } = deps;
  const locks = createKeyedLock<PackId>();
  /** Gone packs whose records could not be deleted. Added again, their old marks must go before a byte is written. */
  const undeleted = new Set<PackId>();

  const add = async (descriptor: PackDescriptor): Promise<KnownPack> => {
    const pack = known.reserve(descriptor.id, descriptor, createPresence(descriptor.chunkCount));
    try {
      // The descriptor, its chunks' entries in the index, and as much again for what LevelDB does with them.
      await deps.freeSpace.claim(3 * encodePackDescriptor(descriptor).length);
      await descriptors.write(descriptor);
      await deps.index.add(pack, descriptor);
      const record = marks.record(pack, durableMark(pack.presence));
      await database.write([record], { isDurable: undeleted.has(pack.id) });
      undeleted.delete(pack.id);
    } catch (error) {
      known.remove(pack); // entries of the index that name it are passed over from now on
      await descriptors.remove(pack.id).catch(() => {});
      throw ioError(error, `adding pack ${pack.id}`, { pack: pack.id });
    }
    known.publish(pack);
    known.touch(pack);
    return pack;
  };
  /** Its chunks are what they were: whoever used it has held it meanwhile. */
  const unhide = (pack: KnownPack, descriptor: PackDescriptor): Promise<void> =>
    deps.exclusively(async () => {
      const { presence } = pack;
      const mark = durableMark(presence);
      const writes = [marks.record(pack, mark), { key: discardedKey(pack.id), value: undefined }];
      await database.write(writes, { isDurable: true });
      confirmMark(presence, mark);
      undeleted.delete(pack.id);
      known.publish(pack);
      known.touch(pack);
      marks.noteWritten(pack);
      deps.onWritten(presence.storedBytes - presence.durableStoredBytes);
      for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
        const mask = pieceMask(presence.present, piece, descriptor.chunksPerPiece);
        if (mask !== 0) deps.onPresent(pack.id, piece, mask);
      }
    });
  /** When it cannot be written, as on a full disk, the files go nevertheless: the next open finds none, and believes nothing. */
  const deleteRecord = async (id: PackId, others: readonly DatabaseWrite[] = []): Promise<void> => {
    const deletes = [packKey(id), lastUseKey(id)].map((key) => ({ key, value: undefined }));
    await database.write([...deletes, ...others], { isDurable: true }).catch((error: unknown) => {
      undeleted.add(id);
      logger.warn('could not delete the record of a removed pack', { pack: id, error: errorCode(error) });
    });
  };
  /** Whether all went. What is left is a stray file, or entries of the index that lead nowhere. */
  const removeFiles = async (pack: KnownPack): Promise<boolean> => {
    try {
      files.forget(packFile(packs, pack.id));
      await rm(packFile(packs, pack.id), { force: true });
      const descriptor = await descriptors.load(pack.id).catch(() => undefined);
      await descriptors.remove(pack.id);
      if (descriptor) await deps.index.remove(pack, descriptor);
      return true;
    } catch (error) {
      logger.warn('could not remove all of a pack', { pack: pack.id, error: errorCode(error) });
      return false;
    }
  };
  /** The entry that has the next open do what was begun is not needed any more; if it stays, that finds nothing to do. */
  const removeDiscarded = async (pack: KnownPack): Promise<void> => {
    if (!(await removeFiles(pack))) return;
    await database.write([{ key: discardedKey(pack.id), value: undefined }], { isDurable: false }).catch(() => {});
  };
  const isUsed = (pack: KnownPack): boolean => pack.users > 0 || holds.isLeased(pack.id);
  /** First the record goes, durably, then the files: between the two the files are strays. */
  const removeLocked = async (pack: KnownPack, isForced: boolean): Promise<boolean> => {
    const hasGone = await deps.exclusively(async () => {
      if (pack.isGone || (!isForced && (pack.isHidden || pack.users > 0 || holds.isHeld(pack.id)))) return false;
      known.remove(pack);
      deps.onAbsent(pack.id);
      await deleteRecord(pack.id);
      return true;
    });
    if (hasGone) await removeFiles(pack);
    return hasGone;
  };
  /** The record goes, and an entry that has the next open remove the files comes, at once: a pack that is discarded does not come back, whenever the process dies. */
  const discardLocked = async (pack: KnownPack): Promise<DiscardFate> => {
    const fate = await deps.exclusively(async (): Promise<DiscardFate> => {
      if (pack.isGone || pack.isHidden) return 'gone';
      if (holds.isPinned(pack.id)) return 'pinned';
      const isHeld = isUsed(pack);
      if (isHeld) known.hide(pack);
      else known.remove(pack);
      deps.onAbsent(pack.id);
      await deleteRecord(pack.id, [{ key: discardedKey(pack.id), value: NOTHING }]);
      return isHeld ? 'held' : 'removed';
    });
    if (fate === 'removed') await removeDiscarded(pack);
    return fate;
  };
  const load = async (pack: KnownPack): Promise<PackDescriptor | undefined> => {
    try {
      return await descriptors.load(pack.id);
    } catch (error) {
      if (pack.isGone) return undefined;
      if (!(error instanceof ContentError) && errorCode(error) !== 'ENOENT') {
        throw ioError(error, `reading the descriptor of pack ${pack.id}`, { pack: pack.id });
      }
      logger.error('the descriptor of a pack is damaged: removed the pack', { pack: pack.id, error: errorCode(error) });
      await locks.run(pack.id, () => removeLocked(pack, true));
      return undefined;
    }
  };

  return {
    enter: (descriptor) =>
      locks.run(descriptor.id, async () => {
        const pack = known.findAny(descriptor.id) ?? (await add(descriptor));
        if (pack.isHidden) await unhide(pack, descriptor);
        pack.users += 1;
        return pack;
      }),
    leave(pack) {
      pack.users -= 1;
      if (pack.isHidden && !isUsed(pack)) deps.onUnused(pack.id);
    },
    isInUse: (id) => known.findAny(id) !== undefined || locks.isBusy(id),
    whileUnknown: (id, work) => locks.run(id, async () => void (known.findAny(id) ?? (await work()))),
    descriptorOf: (pack) => descriptors.peek(pack.id) ?? load(pack),
    remove: (pack) => locks.run(pack.id, () => removeLocked(pack, false)),
    discard: (pack) => locks.run(pack.id, () => discardLocked(pack)),
    removeHidden: (id) =>
      locks.run(id, async () => {
        const pack = known.findAny(id);
        if (!pack?.isHidden || isUsed(pack)) return;
        known.remove(pack);
        await removeDiscarded(pack);
      }),
  };
}
