import { createPackDescriptor, publicDomain } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import type { PeerId } from '../../src/ports/network.ts';

export const peerId = (name: string): PeerId => name as PeerId;

/** A descriptor whose digests belong to no bytes: for decisions, which never look at bytes. */
export function somePack(chunks: number, seed: number = 1): PackDescriptor {
  const lengths = Array.from({ length: chunks }, () => 65536);
  return createPackDescriptor({ domain: publicDomain, digests: createSeededRandom(seed).bytes(chunks * 32), lengths });
}
