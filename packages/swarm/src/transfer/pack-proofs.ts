import { makePackProof } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';

/** What this node shows others when it asks them for private packs. */
export interface PackProofs {
  /** Undefined for packs that need none. */
  of(descriptor: PackDescriptor, server: PeerId): Uint8Array | undefined;
}

export function createPackProofs(self: PeerId): PackProofs {
  /** A proof is shown with each request, and takes a hash to make. */
  const made = new WeakMap<PackDescriptor, Map<PeerId, Uint8Array>>();
  return {
    of(descriptor, server) {
      const { secret } = descriptor;
      if (!secret) return undefined;
      const known = made.get(descriptor) ?? new Map<PeerId, Uint8Array>();
      made.set(descriptor, known);
      const proof = known.get(server) ?? makePackProof(secret, { asker: self, server });
      known.set(server, proof);
      return proof;
    },
  };
}
