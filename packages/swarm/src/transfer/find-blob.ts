import { shuffled } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { decodeBlobAnswer, encodeGetBlob } from '../protocol/get-blob.ts';
import type { BlobAnswer } from '../protocol/get-blob.ts';
import { askPeer, isReachable, peersOf } from './lookup.ts';
import type { LookupDeps } from './lookup.ts';

/** Nodes asked at once when nobody is known to have it. */
const BREADTH = 4;
/** How often those that a seeder named are asked before it is asked again, and the pause between. */
const ROUNDS = 6;
const FIRST_PAUSE_MS = 20;

export interface BlobLookup<T> {
  readonly protocol: string;
  readonly id: Uint8Array;
  /**
   * What shows that this node may have it, where not everybody may. Then even its id is told to nobody but the holders, and those whom a holder names:
   * they know it already.
   */
  readonly ticket?: Uint8Array | undefined;
  /** Shown to each peer that is asked. */
  readonly proofFor?: ((peer: PeerId) => Uint8Array | undefined) | undefined;
  readonly maxBytes: number;
  /** Throws when the bytes are not what the id names. */
  readonly decode: (bytes: Uint8Array) => T;
  /** Peers that should have it, best first. */
  readonly holders: readonly PeerId[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

type Found<T> = { readonly value: T } | Exclude<BlobAnswer, { readonly kind: 'blob' }> | undefined;

/** A manifest or a descriptor: from a peer that shows it, else through a seeder, else from any peer that has it. */
export async function findBlob<T>(deps: LookupDeps, lookup: BlobLookup<T>): Promise<T | undefined> {
  const tried = new Set<PeerId>();
  const ask = async (peer: PeerId, insists = false): Promise<Found<T>> => {
    tried.add(peer);
    const bytes = encodeGetBlob({ id: lookup.id, insists, ticket: lookup.ticket, proof: lookup.proofFor?.(peer) });
    return askPeer(deps, peer, { ...lookup, bytes, maxBytes: lookup.maxBytes + 16 }, (answerBytes): Found<T> => {
      const answer = decodeBlobAnswer(answerBytes, lookup.maxBytes);
      return answer.kind === 'blob' ? { value: lookup.decode(answer.body) } : answer;
    });
  };
  const askNaming = async (peer: PeerId): Promise<Found<T>> => {
    const found = await ask(peer);
    if (!found || !('kind' in found) || found.kind !== 'elsewhere') return found;
    return (await askNamed(deps, found.peers, ask, lookup)) ?? (await ask(peer, true));
  };
  for (const peer of lookup.holders.slice(0, BREADTH)) {
    if (!(await isReachable(deps, peer, lookup))) continue;
    const found = await (lookup.ticket ? askNaming(peer) : ask(peer));
    if (found && 'value' in found) return found.value;
  }
  if (lookup.ticket) return undefined;
  for (const seeder of shuffled(peersOf(deps, 'seeder'), deps.random)) {
    const found = await askNaming(seeder);
    if (found && 'value' in found) return found.value;
  }
  const others = shuffled(peersOf(deps, 'node'), deps.random).filter((peer) => !tried.has(peer));
  for (let from = 0; from < others.length; from += BREADTH) {
    const answers = await Promise.all(others.slice(from, from + BREADTH).map((peer) => ask(peer)));
    for (const found of answers) if (found && 'value' in found) return found.value;
  }
  return undefined;
}

/** They may still be fetching it themselves: asked a few times, a little later each time. */
async function askNamed<T>(
  deps: LookupDeps,
  peers: readonly PeerId[],
  ask: (peer: PeerId) => Promise<Found<T>>,
  lookup: BlobLookup<T>,
): Promise<{ readonly value: T } | undefined> {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const peer of shuffled(peers, deps.random)) {
      if (peer === deps.network.peerId || !(await isReachable(deps, peer, lookup))) continue;
      const found = await ask(peer);
      if (found && 'value' in found) return found;
    }
    await deps.clock.sleep(FIRST_PAUSE_MS * 2 ** round * (0.5 + deps.random.next()), lookup);
  }
  return undefined;
}
