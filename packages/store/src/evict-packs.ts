import type { EvictionReport } from '@quarry/content';
import { planEviction } from './eviction.ts';
import type { PackEngine } from './pack-engine.ts';

/**
 * Carries out eviction plans until one is empty. `check` runs between packs and throws to stop. A pack that came into use after it was
 * planned stays; the next plan takes others. What is written meanwhile counts too.
 */
export async function evictPacks(engine: PackEngine, maxBytes: number, check: () => void): Promise<EvictionReport> {
  const { known, holds, roster } = engine;
  let evictedPacks = 0;
  let evictedBytes = 0;
  for (let hasProgress = true; hasProgress; ) {
    hasProgress = false;
    const candidates = Array.from(known.all(), (pack) => ({
      id: pack,
      bytes: pack.presence.storedBytes,
      usedAt: pack.usedAt,
      isHeld: pack.users > 0 || holds.isHeld(pack.id),
    }));
    for (const pack of planEviction(candidates, maxBytes).victims) {
      check();
      if (!(await roster.remove(pack))) continue;
      hasProgress = true;
      evictedPacks += 1;
      evictedBytes += pack.presence.storedBytes;
    }
  }
  let heldBytes = 0;
  for (const pack of known.all()) if (holds.isHeld(pack.id)) heldBytes += pack.presence.storedBytes;
  return { evictedPacks, evictedBytes, keptBytes: known.storedBytes(), heldBytes };
}
