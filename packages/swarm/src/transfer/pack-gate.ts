import { checkPackProof } from '@quarry/content';
import type { PackAccess, PackId, PackStore } from '@quarry/content';
import { timingSafeEqual } from 'node:crypto';
import type { PeerId } from '../ports/network.ts';

/**
 * Which packs a peer may have from this node. Who may not have one is answered as if nobody had ever heard of it, and no worse: the answer is the same
 * to the byte, and so is what is done to find it.
 */
export interface PackGate {
  /** `remembered`: who might have the pack when it was last known here. */
  admits(pack: PackId, peer: PeerId, proof: Uint8Array | undefined, remembered?: PackAccess): boolean;
  /** The connection is gone. */
  forget(peer: PeerId): void;
}

/** Good proofs that are remembered: a standing ask shows the same ones with every piece. 32 bytes each, and as much again for the map. */
const MAX_REMEMBERED = 65_536;
/** Against which a proof for an unknown pack is held. */
const NO_SECRET = new Uint8Array(32);

export function createPackGate(deps: { readonly store: Pick<PackStore, 'access'>; readonly self: PeerId }): PackGate {
  const { store, self } = deps;
  const shown = new Map<PeerId, Map<PackId, Uint8Array>>();
  let remembered = 0;

  const forget = (peer: PeerId): void => {
    remembered -= shown.get(peer)?.size ?? 0;
    shown.delete(peer);
  };
  const remember = (peer: PeerId, pack: PackId, proof: Uint8Array): void => {
    if (remembered >= MAX_REMEMBERED) {
      shown.clear();
      remembered = 0;
    }
    const proofs = shown.get(peer) ?? new Map<PackId, Uint8Array>();
    if (!proofs.has(pack)) remembered += 1;
    shown.set(peer, proofs.set(pack, new Uint8Array(proof)));
  };
  return {
    admits(pack, peer, proof, former) {
      const access = store.access(pack) ?? former;
      if (access?.kind === 'open') return true;
      if (!proof) return false;
      const before = shown.get(peer)?.get(pack);
      if (access?.kind === 'secret' && before?.length === proof.length && timingSafeEqual(before, proof)) return true;
      const secret = access?.kind === 'secret' ? access.secret : undefined;
      const isGood = checkPackProof(proof, secret ?? NO_SECRET, { asker: peer, server: self });
      if (!isGood || !secret) return false;
      remember(peer, pack, proof);
      return true;
    },
    forget,
  };
}
