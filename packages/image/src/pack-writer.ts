import { createPackDescriptor, limits } from '@quarry/content';
import type { Domain, PackId, PackStage, PackStore } from '@quarry/content';
import { storeFailure } from './image-error.ts';
import { imageDefaults } from './options.ts';

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
  /** Finishes the last pack. The ids of all packs, by number. */
  finish(): Promise<readonly PackId[]>;
  /** Drops what is not finished; never rejects. */
  discard(): Promise<void>;
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
  /** No chunk is added any more. */
  isFull: boolean;
}

export function createPackWriter(
  deps: { readonly store: PackStore },
  options: {
    readonly domain: Domain;
    readonly signal?: AbortSignal | undefined;
    /** Called before a pack becomes evictable, so that the ingest can lease it. */
    readonly onPack: (pack: PackId) => void;
  },
): PackWriter {
  const { store } = deps;
  const { signal } = options;
  const ids: PackId[] = [];
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
    const pack: NewPack = {
      packNumber: packCount,
      digests: new Uint8Array(limits.maxChunksPerPack * limits.digestBytes),
      lengths: [],
      chunks: new Map(),
      unsent: [],
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
  const writeAll = async (pack: NewPack, stage: PackStage): Promise<void> => {
    const underWay: Promise<void>[] = [];
    while (!failure) {
      const buffers = takeFirst(pack.unsent, imageDefaults.writeBytes);
      if (buffers.length === 0) {
        if (pack.isFull || isComplete) break;
        await new Promise<void>((resolve) => (wakeLoop = resolve));
        continue;
      }
      const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
      const writing = stage.append(buffers, { signal }).catch(fail('new chunks were written'));
      const before = underWay.at(-1);
      underWay.push(Promise.all([writing, before]).then(() => noteWritten(bytes)));
      if (underWay.length >= imageDefaults.concurrentWrites) await underWay.shift();
    }
    await Promise.all(underWay);
  };
  const finishPack = async (pack: NewPack, stage: PackStage): Promise<void> => {
    const count = pack.lengths.length;
    const digests = pack.digests.subarray(0, count * limits.digestBytes);
    const descriptor = createPackDescriptor({ domain: options.domain, digests, lengths: pack.lengths });
    ids[pack.packNumber] = descriptor.id;
    options.onPack(descriptor.id);
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
        await new Promise<void>((resolve) => (wakeLoop = resolve));
        continue;
      }
      const stage = await store.stagePack({ signal });
      stages.add(stage);
      await writeAll(pack, stage);
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
      appendView(pack.unsent, bytes);
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
    get finishedPacks() {
      return finishedPacks;
    },
    forget(count) {
      while (packs[0] && packs[0].packNumber < count) packs.shift();
    },
    async finish() {
      isComplete = true;
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
  };
}

/** Takes views from the front, at most `maxBytes` of them (one at least); a larger one is split. */
function takeFirst(views: Uint8Array[], maxBytes: number): Uint8Array[] {
  const taken: Uint8Array[] = [];
  let room = maxBytes;
  let count = 0;
  for (const view of views) {
    if (room === 0) break;
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

/** Adds a view; one that continues the last makes it longer instead, so that a run of chunks of one block is one write. */
function appendView(views: Uint8Array[], view: Uint8Array): void {
  const last = views.at(-1);
  if (last && last.buffer === view.buffer && last.byteOffset + last.byteLength === view.byteOffset) {
    views[views.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + view.byteLength);
  } else views.push(view);
}
