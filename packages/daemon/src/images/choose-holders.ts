/** A member that could be asked to keep an image. */
export interface HolderCandidate {
  readonly peer: string;
  readonly zone: string;
  readonly role: 'node' | 'seeder';
}

/**
 * Who is asked to keep what was shelved here, best first: nodes of other zones before those of one's own, one per zone before two, in an order that
 * differs from image to image, so that no node keeps everybody's. All candidates are in it: who is refused by one asks the next. Pure.
 */
export function rankHolders(
  candidates: readonly HolderCandidate[],
  self: { readonly peer: string; readonly zone: string },
  image: string,
): readonly HolderCandidate[] {
  const nodes = candidates
    .filter(({ peer, role }) => role === 'node' && peer !== self.peer)
    .map((candidate) => ({ candidate, score: scoreOf(`${image}/${candidate.peer}`) }))
    .sort((a, b) => b.score - a.score);
  const seenOfZone = new Map<string, number>();
  const turns = nodes.map(({ candidate }) => {
    const turn = seenOfZone.get(candidate.zone) ?? 0;
    seenOfZone.set(candidate.zone, turn + 1);
    return { candidate, isOwnZone: candidate.zone === self.zone, turn };
  });
  return turns
    .map((each, order) => ({ ...each, order }))
    .sort((a, b) => Number(a.isOwnZone) - Number(b.isOwnZone) || a.turn - b.turn || a.order - b.order)
    .map(({ candidate }) => candidate);
}

export interface PrefetchTargets {
  /** Peer ids; each must be a member. */
  readonly nodes: readonly string[];
  /** All nodes of these zones. */
  readonly zones: readonly string[];
  /** 0 to 100: so many of each zone's nodes (rounded up), in an order of the image's own. 100 where nothing else is said. */
  readonly percent: number;
}

/** Which nodes a prefetch goes to. Named nodes always; of the named zones, or of all where neither is named, the percentage. Pure. */
export function chooseTargets(
  candidates: readonly HolderCandidate[],
  { nodes, zones, percent }: PrefetchTargets,
  image: string,
): { readonly chosen: readonly HolderCandidate[]; readonly unknown: readonly string[] } {
  const members = candidates.filter(({ role }) => role === 'node');
  const known = new Set(members.map(({ peer }) => peer));
  const knownZones = new Set(members.map(({ zone }) => zone));
  const unknown = [...nodes.filter((peer) => !known.has(peer)), ...zones.filter((zone) => !knownZones.has(zone))];
  const chosen = new Map(
    members.filter(({ peer }) => nodes.includes(peer)).map((candidate) => [candidate.peer, candidate]),
  );
  const wantedZones = zones.length > 0 ? zones : nodes.length > 0 ? [] : [...knownZones];
  for (const zone of new Set(wantedZones)) {
    const ofZone = members
      .filter((candidate) => candidate.zone === zone)
      .sort((a, b) => scoreOf(`${image}/${b.peer}`) - scoreOf(`${image}/${a.peer}`) || (a.peer < b.peer ? -1 : 1));
    for (const candidate of ofZone.slice(0, Math.ceil((ofZone.length * percent) / 100)))
      chosen.set(candidate.peer, candidate);
  }
  return { chosen: [...chosen.values()].sort((a, b) => (a.peer < b.peer ? -1 : 1)), unknown };
}

/** FNV-1a, 32 bits, its bits mixed as MurmurHash3 ends: any spread will do, and nobody need agree on it. */
function scoreOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
