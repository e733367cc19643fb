import type { PackId } from '@quarry/content';
import { encodeHavesMessage, wantName } from '../protocol/haves-message.ts';
import type { PackHave } from '../protocol/haves-message.ts';
import type { PieceSet } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';

/**
 * What this node tells the whole cluster of what it has: changes in batches, and all of it now and then, for messages get lost and newcomers
 * have heard nothing. Pure: whoever drives it publishes the messages.
 */
export interface Announcer {
  changed(pack: PackId): void;
  setWants(packs: Iterable<PackId>): void;
  /** A message with what this node wants now, if that has changed. */
  takeWants(): Uint8Array[];
  /** Messages with what changed since the last call; none if nothing did. */
  takeChanges(): Uint8Array[];
  /** Messages with everything. */
  takeAll(packs: Iterable<PackId>): Uint8Array[];
  /** The sequence of the last message. */
  readonly sequence: number;
  nextSequence(): number;
  readonly hasNewWants: boolean;
}

export function createAnnouncer(
  deps: { readonly read: (pack: PackId) => PieceSet },
  options: { readonly firstSequence: number },
): Announcer {
  const changes = new Set<PackId>();
  let wants: readonly string[] = [];
  let hasNewWants = false;
  let { firstSequence: sequence } = options;

  const messages = (packs: readonly PackId[], withWants: boolean): Uint8Array[] => {
    const out: Uint8Array[] = [];
    const { maxHavesPacks } = protocolLimits;
    for (let from = 0; from < packs.length || (from === 0 && withWants); from += maxHavesPacks) {
      const haves = packs.slice(from, from + maxHavesPacks).map((pack): PackHave => ({ pack, set: deps.read(pack) }));
      sequence += 1;
      out.push(encodeHavesMessage({ sequence, packs: haves, wants: withWants && from === 0 ? wants : undefined }));
    }
    return out;
  };
  return {
    changed: (pack) => void changes.add(pack),
    setWants(packs) {
      const names = [...new Set([...packs].map(wantName))].slice(0, protocolLimits.maxWants);
      hasNewWants ||= names.join() !== wants.join();
      wants = names;
    },
    takeWants() {
      if (!hasNewWants) return [];
      hasNewWants = false;
      return messages([], true);
    },
    takeChanges() {
      const packs = [...changes];
      changes.clear();
      const withWants = hasNewWants;
      hasNewWants = false;
      return messages(packs, withWants);
    },
    takeAll(packs) {
      changes.clear();
      hasNewWants = false;
      return messages([...packs], true);
    },
    get sequence() {
      return sequence;
    },
    nextSequence: () => (sequence += 1),
    get hasNewWants() {
      return hasNewWants;
    },
  };
}
