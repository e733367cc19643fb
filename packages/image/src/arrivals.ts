import { hasChunk } from '@quarry/content';
import type { ChunkSet, PackId, PackStore } from '@quarry/content';
import type { StepPart } from './image-steps.ts';

/** What is here of an image's packs while they are being fetched. */
export interface Arrivals {
  /** Whether all chunks of the parts are here. */
  has(parts: readonly StepPart[]): boolean;
  /** Resolves when they are; rejects with what `end` was given. */
  until(parts: readonly StepPart[]): Promise<void>;
  /** How often something has arrived. */
  readonly count: number;
  /** Nothing more will come: who waits, and waits from now on, for what is not here is told why. */
  end(reason: unknown): void;
  stop(): void;
}

interface Waiter {
  readonly parts: readonly StepPart[];
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export function createArrivals(
  store: Pick<PackStore, 'present' | 'onPresent' | 'onAbsent'>,
  packs: ReadonlySet<PackId>,
): Arrivals {
  const known = new Map<PackId, ChunkSet>();
  /** Packs that have changed since they were looked at. */
  const stale = new Set<PackId>();
  const waiters = new Set<Waiter>();
  let count = 0;
  let ended: { readonly reason: unknown } | undefined;

  const present = (pack: PackId): ChunkSet | undefined => {
    if (known.has(pack) && !stale.has(pack)) return known.get(pack);
    stale.delete(pack);
    // A pack that was discarded is shown no more, and who has leased it reads it as before.
    const now = store.present(pack) ?? known.get(pack);
    if (now) known.set(pack, now);
    return now;
  };
  const has: Arrivals['has'] = (parts) =>
    parts.every(({ descriptor, firstChunk, count }) => {
      const set = present(descriptor.id);
      return set !== undefined && hasRun(set, firstChunk, count);
    });
  const stopListening = [
    store.onAbsent((pack) => void stale.add(pack)),
    store.onPresent((pack) => {
      stale.add(pack);
      if (packs.has(pack)) count += 1;
      for (const waiter of waiters) {
        if (!waiter.parts.some(({ descriptor }) => descriptor.id === pack) || !has(waiter.parts)) continue;
        waiters.delete(waiter);
        waiter.resolve();
      }
    }),
  ];
  return {
    has,
    async until(parts) {
      if (has(parts)) return;
      if (ended) throw ended.reason;
      await new Promise<void>((resolve, reject) => waiters.add({ parts, resolve, reject }));
    },
    get count() {
      return count;
    },
    end(reason) {
      ended ??= { reason };
      for (const { reject } of waiters) reject(ended.reason);
      waiters.clear();
    },
    stop() {
      for (const stop of stopListening) stop();
    },
  };
}

function hasRun(set: ChunkSet, first: number, count: number): boolean {
  for (let chunk = first; chunk < first + count; chunk += 1) if (!hasChunk(set, chunk)) return false;
  return true;
}
