import { chunkDigest, digestEquals, hasChunk } from '@quarry/content';
import type { ChunkLocation, ChunkSet, Domain, PackDescriptor, PackId, PackLease, PackStore } from '@quarry/content';

/**
 * The chunks that this host has already, as an ingest sees them. What it returns is present and stays so until `release`: an ingest must be able to
 * serve the image that it publishes, so chunks that are merely known somewhere do not count.
 */
export interface KnownChunks {
  /** For each digest (32 bytes each, concatenated) a present chunk. `previous` is where the chunk before these lies. */
  find(digests: Uint8Array, previous: ChunkLocation | undefined): Promise<readonly (ChunkLocation | undefined)[]>;
  /**
   * The chunk after `location` in its pack, if it is the one with this digest. Many chunks lie in more than one pack; following a pack keeps the
   * extents of a manifest, and later the reads of a rebuild, long. Works from any location that the last `find` returned or was given, and on from
   * there: however a source's bytes are divided into buffers, the same image gives the same manifest.
   */
  follow(location: ChunkLocation, digest: Uint8Array): ChunkLocation | undefined;
  /** Keeps a pack from eviction that the ingest has made. */
  hold(pack: PackId): void;
  release(): void;
}

export function createKnownChunks(
  deps: { readonly store: PackStore },
  options: { readonly domains: readonly Domain[]; readonly signal?: AbortSignal | undefined },
): KnownChunks {
  const { store } = deps;
  const { domains, signal } = options;
  const leases = new Map<PackId, PackLease>();
  const presence = new Map<PackId, ChunkSet>();
  const followed = new Map<PackId, PackDescriptor>();
  const hold = (pack: PackId): void => {
    if (!leases.has(pack)) leases.set(pack, store.lease([pack]));
  };
  /** Leases first and asks then: between the store's answer and the lease the pack may have been evicted. */
  const isHere = ({ pack, chunk }: ChunkLocation): boolean => {
    hold(pack);
    let present = presence.get(pack);
    if (!present || !hasChunk(present, chunk)) {
      present = store.present(pack); // maybe more has arrived since
      if (present) presence.set(pack, present);
    }
    return present !== undefined && hasChunk(present, chunk);
  };
  /** Loads the descriptors of these packs and lets go of all others. */
  const followOnly = async (packs: ReadonlySet<PackId>): Promise<void> => {
    for (const pack of followed.keys()) if (!packs.has(pack)) followed.delete(pack);
    for (const pack of packs) {
      const descriptor = followed.get(pack) ?? (await store.findPack(pack, { signal }));
      if (descriptor) followed.set(pack, descriptor);
    }
  };
  return {
    async find(digests, previous) {
      const found = await store.findChunks(digests, { domains, signal });
      const here = found.map((location) => (location && isHere(location) ? location : undefined));
      const packs = new Set<PackId>(previous ? [previous.pack] : []);
      for (const location of here) if (location) packs.add(location.pack);
      await followOnly(packs);
      return here;
    },
    follow({ pack, chunk }, digest) {
      const descriptor = followed.get(pack);
      if (!descriptor || chunk + 1 >= descriptor.chunkCount) return undefined;
      if (!digestEquals(chunkDigest(descriptor, chunk + 1), digest)) return undefined;
      const next = { pack, chunk: chunk + 1 };
      return isHere(next) ? next : undefined;
    },
    hold,
    release() {
      for (const lease of leases.values()) lease.release();
      leases.clear();
    },
  };
}
