import { idBytes, packIdFrom } from '@quarry/content';
import type { PackId, PackLease } from '@quarry/content';
import type { Database } from './database.ts';
import { pinKey, pinPrefix, reasonOfKey } from './keys.ts';

/** What keeps packs from eviction: leases, which end with the process, and pins, which survive it. Both may name packs that are not known yet. */
export interface Holds {
  isPinned(id: PackId): boolean;
  isLeased(id: PackId): boolean;
  isHeld(id: PackId): boolean;
  lease(ids: ReadonlySet<PackId>): PackLease;
  pin(packs: Iterable<PackId>, reason: string): Promise<void>;
  unpin(reason: string): Promise<void>;
  pins(): ReadonlyMap<string, readonly PackId[]>;
}

export async function openHolds(deps: {
  readonly database: Database;
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  /** Called when the last lease of a pack has ended. */
  readonly onUnleased: (id: PackId) => void;
}): Promise<Holds> {
  const { database, exclusively, onUnleased } = deps;
  const leases = new Map<PackId, number>();
  const pinCounts = new Map<PackId, number>();
  const pinned = new Map<string, readonly PackId[]>();

  const remember = (reason: string, packs: readonly PackId[]): void => {
    for (const id of pinned.get(reason) ?? []) count(pinCounts, id, -1);
    for (const id of packs) count(pinCounts, id, 1);
    if (packs.length > 0) pinned.set(reason, packs);
    else pinned.delete(reason);
  };
  for await (const { key, value } of database.scan(pinPrefix)) remember(reasonOfKey(key), packsIn(value));

  return {
    isPinned: (id) => pinCounts.has(id),
    isLeased: (id) => leases.has(id),
    isHeld: (id) => pinCounts.has(id) || leases.has(id),
    lease(ids) {
      for (const id of ids) count(leases, id, 1);
      let isReleased = false;
      return {
        release() {
          if (isReleased) return;
          isReleased = true;
          for (const id of ids) {
            count(leases, id, -1);
            if (!leases.has(id)) onUnleased(id);
          }
        },
      };
    },
    pin: (packs, reason) =>
      exclusively(async () => {
        const all = [...new Set([...(pinned.get(reason) ?? []), ...packs])];
        if (all.length === 0) return;
        await database.write([{ key: pinKey(reason), value: Buffer.concat(all.map(idBytes)) }], { isDurable: true });
        remember(reason, all);
      }),
    unpin: (reason) =>
      exclusively(async () => {
        if (!pinned.has(reason)) return;
        await database.write([{ key: pinKey(reason), value: undefined }], { isDurable: true });
        remember(reason, []);
      }),
    pins: () => new Map(pinned),
  };
}

function count(counts: Map<PackId, number>, id: PackId, by: 1 | -1): void {
  const left = (counts.get(id) ?? 0) + by;
  if (left > 0) counts.set(id, left);
  else counts.delete(id);
}

function packsIn(value: Uint8Array): PackId[] {
  const idsBytes = 32;
  return Array.from({ length: Math.floor(value.length / idsBytes) }, (_, i) =>
    packIdFrom(value.subarray(i * idsBytes, (i + 1) * idsBytes)),
  );
}
