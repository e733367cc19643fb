import { createPackDescriptor, limits } from '@quarry/content';
import type { Domain, PackId, PackStage, PackStore } from '@quarry/content';
import { storeFailure } from './image-error.ts';
import { imageDefaults } from './options.ts';

/**
 * Puts an ingest's new chunks into new packs, in the order in which they are added. Adding is synchronous and only notes the bytes; `flush` hands
 * them to the store and waits only while too much is unwritten, so that the store writes while the next block is hashed.
 * A pack has no id before it is full, so chunks are named by the pack's number: 0 is the first pack of this writer.
 */
export interface PackWriter {
  /** Where a chunk lies that was added to a pack which the store does not know yet. After that, the store finds it. */
  find(key: string): OwnLocation | undefined;
  /** `bytes` must not change before the `flush` after the next has resolved, or `finish`. */
  add(key: string, digest: Uint8Array, bytes: Uint8Array): OwnLocation;
  flush(): Promise<void>;
  /** Finishes the last pack. The ids of all packs, by number. */
  finish(): Promise<readonly PackId[]>;
  /** Drops what is not finished; never rejects. */
  discard(): Promise<void>;
}

export interface OwnLocation {
  readonly packNumber: number;
  readonly chunk: number;
}

interface OpenPack {
  readonly packNumber: number;
  readonly digests: Uint8Array;
  readonly lengths: number[];
  readonly chunks: Map<string, OwnLocation>;
  /** Added and not yet handed to the store. */
  unsent: Uint8Array[];
  unsentBytes: number;
  stage: PackStage | undefined;
  isFinishing: boolean;
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
  const open: OpenPack[] = []; // the last takes chunks, those before it are full
  const underWay = new Set<Promise<void>>();
  let packCount = 0;
  let unwrittenBytes = 0;
  let failure: { readonly error: unknown } | undefined;
  let finishing: Promise<void> = Promise.resolve();

  const check = (): void => {
    if (failure) throw failure.error;
  };
  const watch = (work: Promise<void>, doing: string): Promise<void> => {
    const watched = work.catch((error: unknown) => {
      failure ??= { error: storeFailure(doing, error, signal) };
    });
    underWay.add(watched);
    void watched.then(() => underWay.delete(watched));
    return watched;
  };
  const start = (): OpenPack => {
    const pack: OpenPack = {
      packNumber: packCount,
      digests: new Uint8Array(limits.maxChunksPerPack * limits.digestBytes),
      lengths: [],
      chunks: new Map(),
      unsent: [],
      unsentBytes: 0,
      stage: undefined,
      isFinishing: false,
    };
    packCount += 1;
    open.push(pack);
    return pack;
  };
  const send = async (pack: OpenPack): Promise<void> => {
    if (pack.unsentBytes === 0) return;
    const { unsent, unsentBytes } = pack;
    pack.unsent = [];
    pack.unsentBytes = 0;
    pack.stage ??= await store.stagePack({ signal });
    unwrittenBytes += unsentBytes;
    const written = pack.stage.append(unsent, { signal }).finally(() => {
      unwrittenBytes -= unsentBytes;
    });
    void watch(written, 'new chunks were written');
  };
  const finishPack = async (pack: OpenPack): Promise<void> => {
    const count = pack.lengths.length;
    const digests = pack.digests.subarray(0, count * limits.digestBytes);
    const descriptor = createPackDescriptor({ domain: options.domain, digests, lengths: pack.lengths });
    ids[pack.packNumber] = descriptor.id;
    options.onPack(descriptor.id);
    await pack.stage?.finish(descriptor, { signal });
    open.splice(open.indexOf(pack), 1);
  };
  const sendAll = async (isLast: boolean): Promise<void> => {
    for (const pack of open.slice()) {
      if (pack.isFinishing) continue;
      await send(pack);
      if (!isLast && pack.lengths.length < limits.maxChunksPerPack) continue;
      await finishing; // one at a time: the next pack is being filled meanwhile
      check();
      pack.isFinishing = true;
      finishing = watch(finishPack(pack), 'a pack was finished');
    }
  };
  return {
    find(key) {
      for (const pack of open) {
        const found = pack.chunks.get(key);
        if (found) return found;
      }
      return undefined;
    },
    add(key, digest, bytes) {
      const last = open.at(-1);
      const pack = last && last.lengths.length < limits.maxChunksPerPack ? last : start();
      const location: OwnLocation = { packNumber: pack.packNumber, chunk: pack.lengths.length };
      pack.digests.set(digest, pack.lengths.length * limits.digestBytes);
      pack.lengths.push(bytes.length);
      pack.chunks.set(key, location);
      appendView(pack.unsent, bytes);
      pack.unsentBytes += bytes.length;
      return location;
    },
    async flush() {
      check();
      await sendAll(false).catch((error: unknown) => {
        throw storeFailure('a pack was begun', error, signal);
      });
      while (unwrittenBytes > imageDefaults.maxUnwrittenBytes) await Promise.race(underWay);
      check();
    },
    async finish() {
      check();
      await sendAll(true).catch((error: unknown) => {
        throw storeFailure('the last pack was finished', error, signal);
      });
      await Promise.all(underWay);
      check();
      return ids;
    },
    async discard() {
      await Promise.all(underWay);
      for (const { stage } of open) await stage?.discard();
      open.length = 0;
    },
  };
}

/** Adds a view; one that continues the last makes it longer instead, so that a run of chunks of one block is one write. */
function appendView(views: Uint8Array[], view: Uint8Array): void {
  const last = views.at(-1);
  if (last && last.buffer === view.buffer && last.byteOffset + last.byteLength === view.byteOffset) {
    views[views.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + view.byteLength);
  } else views.push(view);
}
