export interface EvictionCandidate<Id> {
  readonly id: Id;
  /** As they are kept. */
  readonly bytes: number;
  readonly usedAt: number;
  /** Pinned, leased or being read or written now. */
  readonly isHeld: boolean;
}

export interface EvictionPlan<Id> {
  /** The least recently used first. */
  readonly victims: readonly Id[];
  readonly evictedBytes: number;
  /** What is left. */
  readonly keptBytes: number;
}

/**
 * Packs go in the order of their last use until what is left is at most `maxBytes`. Held ones are passed over: others go in their stead.
 * An empty pack frees nothing, but goes in its turn: nothing else ever removes a descriptor that nobody needs.
 */
export function planEviction<Id>(candidates: readonly EvictionCandidate<Id>[], maxBytes: number): EvictionPlan<Id> {
  let keptBytes = candidates.reduce((sum, { bytes }) => sum + bytes, 0);
  const totalBytes = keptBytes;
  const victims: Id[] = [];
  for (const candidate of candidates.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (keptBytes <= maxBytes) break;
    if (candidate.isHeld) continue;
    victims.push(candidate.id);
    keptBytes -= candidate.bytes;
  }
  return { victims, evictedBytes: totalBytes - keptBytes, keptBytes };
}
