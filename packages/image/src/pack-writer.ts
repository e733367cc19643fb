import { chunksPerPieceFor, createPackDescriptor, limits } from '@quarry/content';
import type { Domain, PackId, PackStage, PackStore } from '@quarry/content';
import { createEncodedStage } from './encoded-stage.ts';
import type { StagedSums } from './encoded-stage.ts';
import { storeFailure } from './image-error.ts';
import { imageDefaults } from './options.ts';
import { appendView, createPieceEncoder } from './piece-encoder.ts';
import type { PieceEncoder } from './piece-encoder.ts';
import type { Compute } from './threads/compute.ts';

/**
 * Puts an ingest's new chunks into new packs, in the order in which they are added. Adding is synchronous and only notes the bytes; a loop in the background
 * hands them to the store and finishes each pack that is full, while the next chunks are hashed.
 * A pack has no id before it is full, so chunks are named by the pack's number: 0 is the first pack of this writer.
 */
export interface PackWriter {
  /** Where a chunk lies that was added, unless its pack was forgotten. */
  find(key: string): OwnLocation | undefined;
  /** `bytes` must not change until a `whenWritten` that was asked for afterwards has called back. */
  add(key: string, digest: Uint8Array, bytes: Uint8Array): OwnLocation;
  /** Calls back when all that was added so far is written, at once if it is; not after something has gone wrong. */
  whenWritten(callback: () => void): void;
  /** Resolves when little enough is waiting to be written. Rejects with what has gone wrong in the background. */
  room(): Promise<void>;
  /** How many packs the store knows by now, with all their chunks. */
  readonly finishedPacks: number;
  /** From now on, `find` leaves it to the store to know the chunks of the first `count` packs. */
  forget(count: number): void;
  /** The packs that were finished and not known before. */
  readonly newPacks: readonly PackId[];
  /** Finishes the last pack. The ids of all packs, by number. */
  finish(): Promise<readonly PackId[]>;
  /** Drops what is not finished; never rejects. */
  discard(): Promise<void>;
  /** Pieces that were staged as frames, and the bytes of all that was staged, as it was. */
  readonly staged: Readonly<StagedSums>;
}

export interface OwnLocation {
  readonly packNumber: number;
  readonly chunk: number;
}

interface NewPack {
  readonly packNumber: number;
  readonly digests: Uint8Array;
  readonly lengths: number[];
  readonly chunks: Map<string, OwnLocation>;
  /** Added and not yet handed to the store. */
  readonly unsent: Uint8Array[];
  /** Instead of `unsent`, where pieces are encoded. */
  readonly encoder: PieceEncoder | undefined;
  readonly groupChunks: number;
  readonly isCertain: boolean;
  /** No chunk is added any more. */
  isFull: boolean;
}

export function createPackWriter(
  deps: {
    readonly store: PackStore;
    readonly compute: Pick<Compute, 'encode' | 'encodeAgain' | 'isThreaded' | 'write'>;
  },
  options: {
    readonly domain: Domain;
    /** As createPackDescriptor takes it. */
    readonly salt?: Uint8Array | undefined;
    /** Whether pieces are encoded where that makes them smaller. */
    readonly encoding: 'off' | 'zstd';
    /** How many chunks may still be added, at most. */
    readonly maxChunksToCome: () => number;
    readonly signal?: AbortSignal | undefined;
    /** Called before a pack becomes evictable, so that the ingest can lease it. */
    readonly onPack: (pack: PackId) => void;
  },
): PackWriter {
  const { store, compute } = deps;
  const { signal, encoding } = options;
  const sums: StagedSums = { encodedPieces: 0, storedBytes: 0 };
  const ids: PackId[] = [];
  const newPacks: PackId[] = [];
  /** Those whose chunks `find` knows; the last one takes chunks unless it is full. */
  const packs: NewPack[] = [];
  const queue: NewPack[] = [];
  const stages = new Set<PackStage>();
  const waitingForWrites: { readonly addedBytes: number; readonly callback: () => void }[] = [];
  let packCount = 0;
  let finishedPacks = 0;
  let addedBytes = 0;
  let writtenBytes = 0;
  let isComplete = false;
  let failure: { readonly error: unknown } | undefined;
  let wakeLoop: (() => void) | undefined;
  let wakeCaller: (() => void) | undefined;

  const check = (): void => {
    if (failure) throw failure.error;
  };
  const fail = (doing: string) => (error: unknown) => {
    failure ??= { error: storeFailure(doing, error, signal) };
    wakeLoop?.();
    wakeCaller?.();
  };
  const start = (): NewPack => {
    const groupChunks = chunksPerPieceFor(Math.min(options.maxChunksToCome(), limits.maxChunksPerPack));
    const pack: NewPack = {
      packNumber: packCount,
      digests: new Uint8Array(limits.maxChunksPerPack * limits.digestBytes),
      lengths: [],
      chunks: new Map(),
      unsent: [],
      encoder: encoding === 'off' ? undefined : createPieceEncoder({ compute }, { groupChunks }),
      groupChunks,
      isCertain: groupChunks === chunksPerPieceFor(1),
      isFull: false,
    };
    packCount += 1;
    packs.push(pack);
    queue.push(pack);
    return pack;
  };
  const noteWritten = (bytes: number): void => {
    writtenBytes += bytes;
    while (waitingForWrites[0] && waitingForWrites[0].addedBytes <= writtenBytes) waitingForWrites.shift()?.callback();
    wakeCaller?.();
  };
  /** Resolves when there is more to write, or the pack has ended. */
  const more = (): Promise<void> => new Promise((resolve) => (wakeLoop = resolve));
  const encodeAll = async (pack: NewPack, encoder: PieceEncoder, stage: PackStage): Promise<void> => {
    const { groupChunks, isCertain } = pack;
    const encoded = createEncodedStage({ stage, compute, sums }, { groupChunks, isCertain, signal });
    while (!failure) {
      const group = encoder.take();
      if (!group) {
        if (pack.isFull || isComplete) break;
        await more();
        continue;
      }
      await encoded.put({ ...group, frame: await group.frame });
      noteWritten(group.lengths.reduce((sum, length) => sum + length, 0));
    }
    if (!failure) await encoded.end();
  };
  const writeAll = async (pack: NewPack, stage: PackStage): Promise<void> => {
    const underWay: Promise<void>[] = [];
    while (!failure) {
      const isElsewhere = compute.isThreaded && stage.appendBy !== undefined && isShared(pack.unsent[0]);
      const buffers = takeFirst(
        pack.unsent,
        isElsewhere ? imageDefaults.threadWriteBytes : imageDefaults.writeBytes,
        isElsewhere,
      );
      if (buffers.length === 0) {
        if (pack.isFull || isComplete) break;
        await more();
        continue;
      }
      const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
      sums.storedBytes += bytes;
      const appending = isElsewhere
        ? stage.appendBy?.(bytes, ({ fd, position }) => compute.write({ fd, position, parts: buffers }), { signal })
        : stage.append(buffers, { signal });
      const writing = appending?.catch(fail('new chunks were written'));
      const before = underWay.at(-1);
      underWay.push(Promise.all([writing, before]).then(() => noteWritten(bytes)));
      if (underWay.length >= imageDefaults.concurrentWrites) await underWay.shift();
    }
    await Promise.all(underWay);
  };
  const finishPack = async (pack: NewPack, stage: PackStage): Promise<void> => {
    const count = pack.lengths.length;
    const digests = pack.digests.subarray(0, count * limits.digestBytes);
    const { domain, salt } = options;
    const descriptor = createPackDescriptor({ domain, salt, digests, lengths: pack.lengths });
    ids[pack.packNumber] = descriptor.id;
    const isNew = store.present(descriptor.id) === undefined;
    options.onPack(descriptor.id);
    if (isNew) newPacks.push(descriptor.id); // before it is there: a failure may come after
    await stage.finish(descriptor, { signal });
    stages.delete(stage);
    finishedPacks += 1;
  };
  const run = async (): Promise<void> => {
    let finishing: Promise<void> = Promise.resolve();
    while (!failure) {
      const pack = queue.shift();
      if (!pack) {
        if (isComplete) break;
        await more();
        continue;
      }
      const stage = await store.stagePack({ signal });
      stages.add(stage);
      if (pack.encoder) await encodeAll(pack, pack.encoder, stage).catch(fail('new chunks were encoded and written'));
      else await writeAll(pack, stage);
      await finishing; // one at a time, while the next pack is being written
      if (failure) break;
      finishing = finishPack(pack, stage).catch(fail('a pack was finished'));
    }
    await finishing;
  };
  const running = run().catch(fail('a pack was begun'));

  return {
    find(key) {
      for (const pack of packs) {
        const found = pack.chunks.get(key);
        if (found) return found;
      }
      return undefined;
    },
    add(key, digest, bytes) {
      const last = packs.at(-1);
      const pack = last && !last.isFull ? last : start();
      const location: OwnLocation = { packNumber: pack.packNumber, chunk: pack.lengths.length };
      pack.digests.set(digest, pack.lengths.length * limits.digestBytes);
      pack.lengths.push(bytes.length);
      pack.chunks.set(key, location);
      if (pack.encoder) pack.encoder.add(bytes);
      else appendView(pack.unsent, bytes);
      addedBytes += bytes.length;
      if (pack.lengths.length === limits.maxChunksPerPack) pack.isFull = true;
      wakeLoop?.();
      return location;
    },
    whenWritten(callback) {
      if (writtenBytes === addedBytes) callback();
      else waitingForWrites.push({ addedBytes, callback });
    },
    async room() {
      while (!failure && addedBytes - writtenBytes > imageDefaults.maxUnwrittenBytes) {
        await new Promise<void>((resolve) => (wakeCaller = resolve));
      }
      check();
    },
    newPacks,
    get finishedPacks() {
      return finishedPacks;
    },
    forget(count) {
      while (packs[0] && packs[0].packNumber < count) packs.shift();
    },
    async finish() {
      isComplete = true;
      packs.at(-1)?.encoder?.end();
      wakeLoop?.();
      await running;
      check();
      return ids;
    },
    async discard() {
      isComplete = true;
      failure ??= { error: new TypeError('this pack writer was discarded') };
      wakeLoop?.();
      await running;
      for (const stage of stages) await stage.discard();
      stages.clear();
    },
    staged: sums,
  };
}

function isShared(view: Uint8Array | undefined): boolean {
  return view?.buffer instanceof SharedArrayBuffer;
}

/** Takes views from the front, at most `maxBytes` of them (one at least); a larger one is split. With `onlyShared` it ends before one that is not. */
function takeFirst(views: Uint8Array[], maxBytes: number, onlyShared: boolean): Uint8Array[] {
  const taken: Uint8Array[] = [];
  let room = maxBytes;
  let count = 0;
  for (const view of views) {
    if (room === 0 || (onlyShared && !isShared(view))) break;
    if (view.length > room) {
      taken.push(view.subarray(0, room));
      views[count] = view.subarray(room);
      break;
    }
    taken.push(view);
    room -= view.length;
    count += 1;
  }
  views.splice(0, count);
  return taken;
}
