import { open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  chunkOffset,
  copyChunkSet,
  fullPieceMask,
  limits,
  maskedBytes,
  packAccess,
  pieceChunks,
} from '@quarry/content';
import type { PackDescriptor, PackInventory, PackStore, VerifyProgress, VerifyReport, Waiting } from '@quarry/content';
import { createSemaphore } from '@quarry/runtime';
import { createCalls } from './calls.ts';
import { discardPacks } from './discard-packs.ts';
import { closedError, ioError } from './errors.ts';
import { evictPacks } from './evict-packs.ts';
import { keepStaged } from './keep-staged.ts';
import { unknownPackError } from './known-packs.ts';
import type { KnownPack } from './known-packs.ts';
import type { StoreSettings } from './options.ts';
import { openPackEngine } from './pack-engine.ts';
import type { PackEngineDeps } from './pack-engine.ts';
import { createDiskPackStage } from './pack-stage.ts';
import type { DiskPackStage, StagedFile } from './pack-stage.ts';
import { maskRuns } from './presence.ts';
import { PRIVATE_FILE } from './store-directory.ts';
import { findStrayFiles, removeStrayFiles } from './stray-files.ts';
import type { StrayFileUses } from './stray-files.ts';
import { verifyPacks } from './verify-packs.ts';

/** A PackStore on disk: one sparse file a pack, what is known of it in the index. */
export interface DiskPackStore extends PackStore {
  /** As the port's; also removes the stray files that it names if told to. */
  verify(options?: VerifyStoreOptions): Promise<VerifyReport>;
}

export interface VerifyStoreOptions extends Waiting {
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly removeStrayFiles?: boolean;
}

export async function openDiskPackStore(deps: PackEngineDeps, settings: StoreSettings): Promise<DiskPackStore> {
  const engine = await openPackEngine(deps, settings);
  const { known, holds, roster, io, marks, batcher, index, directory, onPresent, onAbsent, onUnused } = engine;
  const calls = createCalls(() => closedError(directory.path));
  const evicting = createSemaphore(1);
  const stages = new Set<DiskPackStage>();
  const stageFiles = new Set<string>();
  let stageCount = 0;
  let closing: Promise<void> | undefined;

  // When closing has begun, the next open does it.
  onUnused.add((id) => {
    if (!calls.isClosing) void calls.run(undefined, () => roster.removeHidden(id));
  });
  const uses: StrayFileUses = {
    isPack: (id) => roster.isInUse(id),
    isStage: (path) => stageFiles.has(path),
    whileUnknown: (id, work) => roster.whileUnknown(id, work),
  };
  /** Works on a pack that stays while it does. */
  const using = async <T>(pack: KnownPack, work: () => Promise<T>): Promise<T> => {
    pack.users += 1;
    try {
      return await work();
    } finally {
      roster.leave(pack);
    }
  };
  const reading = <T>(pack: KnownPack, work: (descriptor: PackDescriptor) => Promise<T>): Promise<T> =>
    using(pack, async () => {
      const descriptor = await roster.descriptorOf(pack);
      if (!descriptor) throw unknownPackError(pack.id);
      const result = await work(descriptor);
      known.touch(pack);
      return result;
    });
  const openStageFile = async (): Promise<StagedFile> => {
    stageCount += 1;
    const path = join(directory.stages, `${stageCount}.stage`);
    stageFiles.add(path);
    try {
      return { path, handle: await open(path, 'wx+', PRIVATE_FILE) };
    } catch (error) {
      stageFiles.delete(path);
      throw ioError(error, `beginning a stage in ${directory.stages}`);
    }
  };
  const close = async (): Promise<void> => {
    await calls.stop();
    for (const stage of stages) await stage.abandon();
    try {
      await batcher.close();
      await engine.recency.flush();
    } finally {
      engine.recency.close();
      await engine.files.close();
    }
  };

  return {
    addPack: (descriptor, { signal } = {}) =>
      calls.run(signal, async () => roster.leave(await roster.enter(descriptor))),
    findPack: (id, { signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.findAny(id);
        return pack && (await roster.descriptorOf(pack));
      }),
    inventory() {
      calls.check();
      return inventoryOf(known.all());
    },
    present(id) {
      calls.check();
      const pack = known.find(id);
      return pack && copyChunkSet(pack.presence.present);
    },
    access(id) {
      calls.check();
      const pack = known.find(id);
      return pack && packAccess(pack);
    },
    findChunks: (digests, { domains, allowAbsent = false, signal }) =>
      calls.run(signal, async () => {
        if (digests.length % limits.digestBytes !== 0) throw new TypeError('digests are 32 bytes each');
        return await index.find(digests, { domains, allowAbsent, signal });
      }),
    writePiece: (piece, { signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.get(piece.descriptor.id);
        await using(pack, async () => {
          await batcher.room(signal);
          const added = await io.write(pack, piece);
          known.touch(pack);
          if (added !== 0 && !pack.isHidden) onPresent.tell(pack.id, piece.piece, added);
        });
      }),
    stagePack: ({ signal } = {}) =>
      calls.run(signal, async () => {
        const diskStage: DiskPackStage = createDiskPackStage({
          file: await openStageFile(),
          openFile: openStageFile,
          onFileEnd: ({ path }) => stageFiles.delete(path),
          freeSpace: engine.freeSpace,
          run: (given, work) => calls.run(given, work),
          room: (given) => batcher.room(given),
          keep: (file, descriptor, frames) => keepStaged(engine, { file, descriptor, frames }),
          onEnd: () => stages.delete(diskStage),
        });
        stages.add(diskStage);
        return diskStage.stage;
      }),
    readPiece: (id, piece, mask, { into, signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.getAny(id);
        return await reading(pack, async (descriptor) => {
          if (!isPiece(descriptor, piece, mask))
            throw new TypeError(`pack ${id} has no piece ${piece} with mask ${mask}`);
          const bytes = maskedBytes(descriptor, piece, mask);
          const out = into && into.length >= bytes ? into.subarray(0, bytes) : new Uint8Array(bytes);
          await io.read(pack, descriptor, maskRuns(pieceChunks(descriptor, piece).first, mask), out);
          return out;
        });
      }),
    readStored: (id, piece, { into, signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.get(id);
        return await reading(pack, async (descriptor) => {
          if (!isPiece(descriptor, piece, 1)) throw new TypeError(`pack ${id} has no piece ${piece}`);
          return await io.readStored(pack, descriptor, piece, into);
        });
      }),
    readChunks: (id, first, count, { into, signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.getAny(id);
        return await reading(pack, async (descriptor) => {
          if (!isRun(descriptor, first, count))
            throw new TypeError(`pack ${id} has no chunks ${first} to ${first + count - 1}`);
          const bytes = chunkOffset(descriptor, first + count) - chunkOffset(descriptor, first);
          if (into && into.length !== bytes)
            throw new TypeError(`the chunks are ${bytes} bytes, the buffer ${into.length}`);
          const out = into ?? new Uint8Array(bytes);
          await io.read(pack, descriptor, [{ first, count }], out);
          return out;
        });
      }),
    lendChunks: (id, first, count, read, { signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.getAny(id);
        return await reading(pack, async (descriptor) => {
          if (!isRun(descriptor, first, count))
            throw new TypeError(`pack ${id} has no chunks ${first} to ${first + count - 1}`);
          return await io.lend(pack, descriptor, { first, count }, read);
        });
      }),
    sync: () => calls.run(undefined, () => batcher.sync()),
    lease(packs) {
      calls.check();
      const ids = new Set(packs);
      for (const id of ids) {
        const pack = known.find(id);
        if (pack) known.touch(pack);
      }
      return holds.lease(ids);
    },
    pin: (packs, reason) => calls.run(undefined, () => holds.pin(packs, reason)),
    unpin: (reason) => calls.run(undefined, () => holds.unpin(reason)),
    pins: () => calls.run(undefined, async () => holds.pins()),
    evict: (maxBytes, { signal } = {}) =>
      calls.run(signal, () => evicting.run(() => evictPacks(engine, maxBytes, () => calls.check(signal)), { signal })),
    verify: ({ signal, onProgress, removeStrayFiles: isRemoving = false } = {}) =>
      calls.run(signal, async () => {
        const check = (): void => calls.check(signal);
        const report = await verifyPacks(engine, [...known.all()], {
          totalBytes: known.presentBytes(),
          check,
          onProgress,
        });
        const strays = await findStrayFiles(directory, uses);
        if (isRemoving) await removeStrayFiles(strays, uses);
        return { ...report, strayFiles: strays.map(({ path }) => path) };
      }),
    usage() {
      calls.check();
      let pinnedPacks = 0;
      for (const { id } of known.all()) if (holds.isPinned(id)) pinnedPacks += 1;
      return {
        packs: known.size,
        presentBytes: known.presentBytes(),
        storedBytes: known.storedBytes(),
        pinnedPacks,
      };
    },
    discard: (packs, { signal } = {}) =>
      calls.run(signal, () => discardPacks(engine, packs, () => calls.check(signal))),
    dropChunks: (id, chunks, { signal } = {}) =>
      calls.run(signal, async () => {
        const pack = known.find(id);
        if (!pack) return;
        await using(pack, async () => {
          const descriptor = await roster.descriptorOf(pack);
          if (descriptor) await marks.drop(pack, descriptor, chunks);
        });
      }),
    onPresent(listener) {
      calls.check();
      return onPresent.add(listener);
    },
    onAbsent(listener) {
      calls.check();
      return onAbsent.add(listener);
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** One copy at a time: all of them would be 2 MiB with a TiB of packs, and are asked for twice a minute. */
function* inventoryOf(packs: Iterable<KnownPack>): Generator<PackInventory> {
  for (const { id, presence } of packs) yield { pack: id, present: copyChunkSet(presence.present) };
}

function isPiece(descriptor: PackDescriptor, piece: number, mask: number): boolean {
  if (!Number.isInteger(piece) || piece < 0 || piece >= descriptor.pieceCount) return false;
  return Number.isInteger(mask) && mask > 0 && (mask & ~fullPieceMask(descriptor, piece)) === 0;
}

function isRun(descriptor: PackDescriptor, first: number, count: number): boolean {
  if (!Number.isInteger(first) || !Number.isInteger(count)) return false;
  return first >= 0 && count >= 1 && first + count <= descriptor.chunkCount;
}
