import type { DiscardReport, PackId } from '@quarry/content';
import type { PackEngine } from './pack-engine.ts';

/** One after another; `check` runs between them and throws to stop. */
export async function discardPacks(
  { known, roster }: Pick<PackEngine, 'known' | 'roster'>,
  packs: Iterable<PackId>,
  check: () => void,
): Promise<DiscardReport> {
  const removedPacks: PackId[] = [];
  const heldPacks: PackId[] = [];
  const pinnedPacks: PackId[] = [];
  let bytes = 0;
  for (const id of new Set(packs)) {
    check();
    const pack = known.find(id);
    if (!pack) continue;
    const { storedBytes } = pack.presence;
    const fate = await roster.discard(pack);
    if (fate === 'pinned') pinnedPacks.push(id);
    if (fate === 'removed') removedPacks.push(id);
    if (fate === 'held') heldPacks.push(id);
    if (fate === 'removed' || fate === 'held') bytes += storedBytes;
  }
  return { removedPacks, heldPacks, pinnedPacks, bytes };
}
