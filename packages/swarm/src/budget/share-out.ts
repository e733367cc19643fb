/** One that wants a part of the budget, as the grantor sees it. */
export interface Claim {
  readonly wantsReads: number;
  readonly heldReads: number;
  readonly sends: boolean;
  readonly wantsBytesPerSecond: number;
  /** Since when it has had a read without a break; undefined: it has none. */
  readonly turnSinceMs: number | undefined;
  /** It has reads, or may begin one: without, it has no use for bytes. */
  readonly mayRead: boolean;
  /** Since when it has waited for a read; undefined: it has one, or wants none. */
  readonly waitsSinceMs: number | undefined;
}

export interface Portion {
  bytesPerSecond: number;
  reads: number;
}

/**
 * The bytes that each should have of a pool if all begun anew: whoever sends (seeders: one byte of theirs serves many) has half, and what readers
 * leave; within each half all alike, but for those that want less.
 */
export function shareBytes<Id>(claims: ReadonlyMap<Id, Claim>, pool: number): Map<Id, number> {
  const portions = new Map<Id, number>();
  const caps = { senders: new Map<Id, number>(), readers: new Map<Id, number>() };
  for (const [id, claim] of claims) {
    if (claim.sends) caps.senders.set(id, claim.wantsBytesPerSecond);
    else if (claim.mayRead) caps.readers.set(id, claim.wantsBytesPerSecond);
  }
  const senders = waterLevel([...caps.senders.values()], pool / (caps.readers.size > 0 ? 2 : 1));
  const readers = waterLevel([...caps.readers.values()], pool - senders.used);
  const sendersAgain = waterLevel([...caps.senders.values()], pool - readers.used);
  for (const [group, level] of [
    [caps.senders, sendersAgain.level],
    [caps.readers, readers.level],
  ] as const) {
    for (const [id, cap] of group) portions.set(id, Math.min(cap, level));
  }
  return portions;
}

/** Reads, likewise: one to each in turn as long as there are any; who waits longest comes before whoever has had his turn. */
export function shareReads<Id>(
  claims: ReadonlyMap<Id, Claim>,
  reads: number,
  { nowMs, turnMs }: { readonly nowMs: number; readonly turnMs: number },
): Map<Id, number> {
  const portions = new Map<Id, number>();
  // 0: its turn lasts; 1: it waits; 2: it has had its turn.
  const stage = ({ turnSinceMs }: Claim): number =>
    turnSinceMs === undefined ? 1 : nowMs - turnSinceMs < turnMs ? 0 : 2;
  const order = [...claims]
    .filter(([, claim]) => claim.wantsReads > 0)
    .sort(([, a], [, b]) => {
      const since = (claim: Claim): number => claim.waitsSinceMs ?? claim.turnSinceMs ?? nowMs;
      return stage(a) - stage(b) || since(a) - since(b);
    });
  if (reads === Infinity) {
    for (const [id] of order) portions.set(id, Infinity);
    return portions;
  }
  let left = reads;
  for (let round = 0, given = true; left > 0 && given; round += 1) {
    given = false;
    for (const [id, { wantsReads }] of order) {
      if (left === 0 || wantsReads <= round) continue;
      portions.set(id, (portions.get(id) ?? 0) + 1);
      left -= 1;
      given = true;
    }
  }
  return portions;
}

/** Max-min: the level up to which all caps can be filled from `amount`. */
function waterLevel(caps: readonly number[], amount: number): { readonly level: number; readonly used: number } {
  if (caps.length === 0) return { level: 0, used: 0 };
  if (amount === Infinity) return { level: Infinity, used: 0 };
  let left = amount;
  let open = caps.length;
  for (const cap of caps.toSorted((a, b) => a - b)) {
    if (cap * open >= left) return { level: left / open, used: amount };
    left -= cap;
    open -= 1;
  }
  return { level: Infinity, used: amount - left };
}
