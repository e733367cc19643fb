import { rm } from 'node:fs/promises';
import { ContentError, encodePackDescriptor } from '@quarry/content';
import type { PackDescriptor, PackId } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import type { ChunkIndex } from './chunk-index.ts';
import type { Database } from './database.ts';
import type { DescriptorFiles } from './descriptor-files.ts';
import { ioError } from './errors.ts';
import type { FreeSpace } from './free-space.ts';
import type { HandlePool } from './handle-pool.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { lastUseKey, packKey } from './keys.ts';
import type { KnownPack, KnownPacks } from './known-packs.ts';
import type { PackMarks } from './pack-marks.ts';
import { packFile } from './pack-paths.ts';
import { createPresence, durableMark } from './presence.ts';

/** Which packs the store has: adding one, finding its descriptor, removing it. Of one pack one change at a time. */
export interface PackRoster {
  /** Adds a pack, or finds it known. The caller is counted among its users until it leaves. */
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
  readonly isHeld: (id: PackId) => boolean;
  /** Never together with a flush. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onAbsent: (pack: PackId) => void;
  readonly logger: Logger;
}

export function createPackRoster(deps: PackRosterDeps): PackRoster {
  const { packs, database, files, descriptors, known, logger } = deps;
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
      const record = deps.marks.record(pack, durableMark(pack.presence));
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
  /**
   * First the record goes, durably, then the files: between the two the files are strays. When the record cannot be written, as on a full
   * disk, the files go nevertheless: the next open finds none, and believes nothing.
   */
  const removeLocked = async (pack: KnownPack, isForced: boolean): Promise<boolean> => {
    const hasGone = await deps.exclusively(async () => {
      if (pack.isGone || (!isForced && (pack.users > 0 || deps.isHeld(pack.id)))) return false;
      known.remove(pack);
      deps.onAbsent(pack.id);
      const deletes = [packKey(pack.id), lastUseKey(pack.id)].map((key) => ({ key, value: undefined }));
      await database.write(deletes, { isDurable: true }).catch((error: unknown) => {
        undeleted.add(pack.id);
        logger.warn('could not delete the record of a removed pack', { pack: pack.id, error: errorCode(error) });
      });
      return true;
    });
    if (!hasGone) return false;
    try {
      files.forget(packFile(packs, pack.id));
      await rm(packFile(packs, pack.id), { force: true });
      const descriptor = await descriptors.load(pack.id).catch(() => undefined);
      await descriptors.remove(pack.id);
      if (descriptor) await deps.index.remove(pack, descriptor);
    } catch (error) {
      // What is left is a stray file, or entries of the index that lead nowhere.
      logger.warn('could not remove all of a pack', { pack: pack.id, error: errorCode(error) });
    }
    return true;
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
        const pack = known.find(descriptor.id) ?? (await add(descriptor));
        pack.users += 1;
        return pack;
      }),
    leave(pack) {
      pack.users -= 1;
    },
    isInUse: (id) => known.find(id) !== undefined || locks.isBusy(id),
    whileUnknown: (id, work) => locks.run(id, async () => void (known.find(id) ?? (await work()))),
    descriptorOf: (pack) => descriptors.peek(pack.id) ?? load(pack),
    remove: (pack) => locks.run(pack.id, () => removeLocked(pack, false)),
  };
}
