import { hasChunk } from '@quarry/content';
import type { ChunkLocation, ChunkSet, Domain, PackDescriptor, PackId, PackLease, PackStore } from '@quarry/content';

/** Answers to one question. */
export interface FoundChunks {
  /** For each digest a present chunk. */
  readonly locations: readonly (ChunkLocation | undefined)[];
  /** Of the packs that the locations name. */
  readonly descriptors: ReadonlyMap<PackId, PackDescriptor>;
}

/**
 * The chunks that this host has already, as an ingest sees them. What it names is present and stays so until `release`: an ingest must be able to
 * serve the image that it publishes, so chunks that are merely known somewhere do not count, nor do those of packs that nobody may have.
 */
export interface KnownChunks {
  /** `digests` are 32 bytes each, concatenated. */
  find(digests: Uint8Array): Promise<FoundChunks>;
  /** Whether this very chunk is present; if so it stays. */
  isHere(location: ChunkLocation): boolean;
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
  let lastDescriptors: ReadonlyMap<PackId, PackDescriptor> = new Map();
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
  const load = async (packs: ReadonlySet<PackId>): Promise<ReadonlyMap<PackId, PackDescriptor>> => {
    const descriptors = new Map<PackId, PackDescriptor>();
    for (const pack of packs) {
      const descriptor = lastDescriptors.get(pack) ?? (await store.findPack(pack, { signal }));
      if (descriptor) descriptors.set(pack, descriptor);
    }
    lastDescriptors = descriptors;
    return descriptors;
  };
  return {
    async find(digests) {
      const found = await store.findChunks(digests, { domains, signal });
      const locations = found.map((location) =>
        location && store.access(location.pack)?.kind !== 'closed' && isHere(location) ? location : undefined,
      );
      const descriptors = await load(new Set(locations.flatMap((location) => (location ? [location.pack] : []))));
      return { locations, descriptors };
    },
    isHere,
    hold,
    release() {
      for (const lease of leases.values()) lease.release();
      leases.clear();
    },
  };
}
