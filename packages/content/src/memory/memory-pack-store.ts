import { chunksOf, copyChunkSet, countChunks, hasChunk, pieceMask } from '../chunk-set.ts';
import type { Domain, PackId } from '../ids.ts';
import { limits } from '../limits.ts';
import { chunkDigest, chunkOffset, fullPieceMask, maskedBytes, packAccess, pieceChunks } from '../pack-descriptor.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import type { ChunkLocation, PackStore, VerifyReport } from '../ports/pack-store.ts';
import { createMemoryPackStage } from './memory-pack-stage.ts';
import type { StagedPiece } from './memory-pack-stage.ts';
import { createMemoryPack } from './memory-pack.ts';
import type { MemoryPack } from './memory-pack.ts';
import { MemoryStoreError } from './memory-store-error.ts';

/** A PackStore that is gone when the process is: for tests, and for a node that is told to keep nothing. */
export function createMemoryPackStore(): PackStore {
  const packs = new Map<PackId, MemoryPack>();
  /** Discarded while they were leased. */
  const hidden = new Map<PackId, MemoryPack>();
  const locations = new Map<string, ChunkLocation[]>();
  const pins = new Map<string, Set<PackId>>();
  const leases = new Map<PackId, number>();
  const presentListeners = new Set<(pack: PackId, piece: number, mask: number) => void>();
  const absentListeners = new Set<(pack: PackId) => void>();
  let uses = 0;
  let isClosed = false;

  const enter = (signal?: AbortSignal): void => {
    if (isClosed) throw new MemoryStoreError('STORE_CLOSED', 'the memory store is closed: open another');
    signal?.throwIfAborted();
  };
  const getPack = (id: PackId): MemoryPack => {
    const pack = packs.get(id);
    if (pack) return pack;
    throw new MemoryStoreError('STORE_PACK_UNKNOWN', `pack ${id} was never added to this store: add it first`, {
      details: { pack: id },
    });
  };
  /** For who may still hold a lease. */
  const getAny = (id: PackId): MemoryPack => hidden.get(id) ?? getPack(id);
  const isPinned = (id: PackId): boolean => [...pins.values()].some((pinned) => pinned.has(id));
  const isHeld = (id: PackId): boolean => leases.has(id) || isPinned(id);
  const heldBytes = (): number => sum([...packs].filter(([id]) => isHeld(id)).map(([, pack]) => pack.storedBytes));
  const presentBytes = (): number => sum([...packs.values()].map((pack) => pack.presentBytes));
  const storedBytes = (): number => sum([...packs.values()].map((pack) => pack.storedBytes));

  const add = (descriptor: PackDescriptor): void => {
    if (packs.has(descriptor.id)) return;
    const again = hidden.get(descriptor.id);
    hidden.delete(descriptor.id);
    packs.set(descriptor.id, again ?? createMemoryPack(descriptor, ++uses));
    for (let chunk = 0; chunk < descriptor.chunkCount; chunk += 1) {
      const key = locationKey(descriptor.domain, chunkDigest(descriptor, chunk));
      locations.set(key, [...(locations.get(key) ?? []), { pack: descriptor.id, chunk }]);
    }
    for (let piece = 0; again && piece < descriptor.pieceCount; piece += 1) {
      const mask = pieceMask(again.present, piece, descriptor.chunksPerPiece);
      if (mask !== 0) for (const listener of presentListeners) listener(descriptor.id, piece, mask);
    }
  };
  const forget = (pack: MemoryPack): void => {
    packs.delete(pack.descriptor.id);
    for (let chunk = 0; chunk < pack.descriptor.chunkCount; chunk += 1) {
      const key = locationKey(pack.descriptor.domain, chunkDigest(pack.descriptor, chunk));
      const left = (locations.get(key) ?? []).filter((location) => location.pack !== pack.descriptor.id);
      if (left.length > 0) locations.set(key, left);
      else locations.delete(key);
    }
    for (const listener of absentListeners) listener(pack.descriptor.id);
  };
  const findChunk = (
    digest: Uint8Array,
    domains: readonly Domain[],
    allowAbsent: boolean,
  ): ChunkLocation | undefined => {
    const found = domains.flatMap((domain) => locations.get(locationKey(domain, digest)) ?? []);
    const present = found.find((location) => {
      const pack = packs.get(location.pack);
      return pack !== undefined && hasChunk(pack.present, location.chunk);
    });
    return present ?? (allowAbsent ? found[0] : undefined);
  };
  const read = (pack: MemoryPack, chunks: readonly number[], into: Uint8Array): Uint8Array => {
    pack.read(chunks, into);
    pack.usedAt = ++uses;
    return into;
  };
  const write = (pack: MemoryPack, piece: Parameters<MemoryPack['write']>[0]): void => {
    const added = pack.write(piece);
    pack.usedAt = ++uses;
    if (added === 0) return;
    for (const listener of presentListeners) listener(pack.descriptor.id, piece.piece, added);
  };
  const drop = (pack: MemoryPack, chunks: Iterable<number>): void => {
    if (pack.drop(chunks) > 0) for (const listener of absentListeners) listener(pack.descriptor.id);
  };
  const keepStaged = (descriptor: PackDescriptor, pieces: readonly StagedPiece[]): void => {
    add(descriptor);
    const pack = getPack(descriptor.id);
    for (const [piece, { bytes, frame }] of pieces.entries())
      write(pack, { piece, mask: fullPieceMask(descriptor, piece), bytes, frame });
  };

  return {
    async addPack(descriptor, { signal } = {}) {
      enter(signal);
      add(descriptor);
    },
    async findPack(pack, { signal } = {}) {
      enter(signal);
      return (packs.get(pack) ?? hidden.get(pack))?.descriptor;
    },
    inventory() {
      enter();
      return [...packs].map(([pack, { present }]) => ({ pack, present: copyChunkSet(present) }));
    },
    present(pack) {
      enter();
      const known = packs.get(pack);
      return known && copyChunkSet(known.present);
    },
    access(pack) {
      enter();
      const known = packs.get(pack);
      return known && packAccess(known.descriptor);
    },
    async findChunks(digests, { domains, allowAbsent = false, signal }) {
      enter(signal);
      if (digests.length % limits.digestBytes !== 0) throw new TypeError('digests are 32 bytes each');
      return Array.from({ length: digests.length / limits.digestBytes }, (_, i) =>
        findChunk(digests.subarray(i * limits.digestBytes, (i + 1) * limits.digestBytes), domains, allowAbsent),
      );
    },
    async writePiece(piece, { signal } = {}) {
      enter(signal);
      write(getPack(piece.descriptor.id), piece);
    },
    async stagePack({ signal } = {}) {
      enter(signal);
      return createMemoryPackStage({ enter, keep: keepStaged });
    },
    async readPiece(pack, piece, mask, { into, signal } = {}) {
      enter(signal);
      const known = getAny(pack);
      const { descriptor } = known;
      if (!isPiece(descriptor, piece) || mask <= 0 || mask & ~fullPieceMask(descriptor, piece))
        throw new TypeError(`pack ${pack} has no piece ${piece} with mask ${mask}`);
      const { first, count } = pieceChunks(descriptor, piece);
      const inMask = Array.from({ length: count }, (_, i) => first + i).filter((_, i) => (mask >> i) & 1);
      return read(known, inMask, roomFor(maskedBytes(descriptor, piece, mask), into));
    },
    async readStored(pack, piece, { into, signal } = {}) {
      enter(signal);
      const known = getPack(pack);
      if (!isPiece(known.descriptor, piece)) throw new TypeError(`pack ${pack} has no piece ${piece}`);
      const { encoding, bytes } = known.readStored(piece);
      known.usedAt = ++uses;
      const room = roomFor(bytes.length, into);
      room.set(bytes);
      return { encoding, bytes: room };
    },
    async readChunks(pack, firstChunk, count, { into, signal } = {}) {
      enter(signal);
      const known = getAny(pack);
      const { descriptor } = known;
      if (!Number.isInteger(firstChunk) || firstChunk < 0 || count < 1 || firstChunk + count > descriptor.chunkCount) {
        throw new TypeError(`pack ${pack} has no chunks ${firstChunk} to ${firstChunk + count - 1}`);
      }
      const bytes = chunkOffset(descriptor, firstChunk + count) - chunkOffset(descriptor, firstChunk);
      if (into && into.length !== bytes)
        throw new TypeError(`the chunks are ${bytes} bytes, the buffer ${into.length}`);
      const chunks = Array.from({ length: count }, (_, i) => firstChunk + i);
      return read(known, chunks, into ?? new Uint8Array(bytes));
    },
    async sync() {
      enter();
    },
    lease(leased) {
      enter();
      const ids = new Set(leased);
      for (const id of ids) {
        leases.set(id, (leases.get(id) ?? 0) + 1);
        const pack = packs.get(id);
        if (pack) pack.usedAt = ++uses;
      }
      return {
        release() {
          for (const id of ids) {
            const left = (leases.get(id) ?? 1) - 1;
            if (left > 0) leases.set(id, left);
            else leases.delete(id);
            if (left <= 0) hidden.delete(id);
          }
          ids.clear();
        },
      };
    },
    async pin(pinned, reason) {
      enter();
      pins.set(reason, new Set([...(pins.get(reason) ?? []), ...pinned]));
    },
    async unpin(reason) {
      enter();
      pins.delete(reason);
    },
    async pins() {
      enter();
      return new Map([...pins].map(([reason, pinned]) => [reason, [...pinned]]));
    },
    async evict(maxBytes, { signal } = {}) {
      enter(signal);
      const victims: MemoryPack[] = [];
      let kept = storedBytes();
      for (const pack of [...packs.values()].sort((a, b) => a.usedAt - b.usedAt)) {
        if (kept <= maxBytes) break;
        if (isHeld(pack.descriptor.id)) continue;
        victims.push(pack);
        kept -= pack.storedBytes;
      }
      for (const victim of victims) forget(victim);
      const evictedBytes = sum(victims.map((pack) => pack.storedBytes));
      return { evictedPacks: victims.length, evictedBytes, keptBytes: kept, heldBytes: heldBytes() };
    },
    async discard(discarded, { signal } = {}) {
      enter(signal);
      const gone = [...new Set(discarded)].flatMap((id) => packs.get(id) ?? []);
      const ids = gone.map(({ descriptor }) => descriptor.id);
      const unpinned = gone.filter(({ descriptor }) => !isPinned(descriptor.id));
      for (const pack of unpinned) {
        if (leases.has(pack.descriptor.id)) hidden.set(pack.descriptor.id, pack);
        forget(pack);
      }
      return {
        removedPacks: ids.filter((id) => !packs.has(id) && !hidden.has(id)),
        heldPacks: ids.filter((id) => hidden.has(id)),
        pinnedPacks: ids.filter((id) => packs.has(id)),
        bytes: sum(unpinned.map((pack) => pack.storedBytes)),
      };
    },
    async verify({ signal, onProgress } = {}) {
      enter(signal);
      const all = [...packs.values()];
      const totalBytes = presentBytes();
      let checkedBytes = 0;
      let checkedChunks = 0;
      const badChunks: ChunkLocation[] = [];
      for (const pack of all) {
        checkedBytes += pack.presentBytes;
        checkedChunks += countChunks(pack.present);
        const bad = pack.badChunks();
        badChunks.push(...bad.map((chunk) => ({ pack: pack.descriptor.id, chunk })));
        drop(pack, bad);
        onProgress?.({ checkedBytes, totalBytes });
      }
      const report: VerifyReport = { packs: all.length, checkedChunks, checkedBytes, badChunks, strayFiles: [] };
      return report;
    },
    async dropChunks(pack, chunks, { signal } = {}) {
      enter(signal);
      const known = packs.get(pack);
      if (known) drop(known, chunksOf(chunks));
    },
    usage() {
      enter();
      const pinned = new Set([...pins.values()].flatMap((ids) => [...ids]));
      const pinnedPacks = [...packs.keys()].filter((id) => pinned.has(id)).length;
      return { packs: packs.size, presentBytes: presentBytes(), storedBytes: storedBytes(), pinnedPacks };
    },
    onPresent(listener) {
      enter();
      presentListeners.add(listener);
      return () => void presentListeners.delete(listener);
    },
    onAbsent(listener) {
      enter();
      absentListeners.add(listener);
      return () => void absentListeners.delete(listener);
    },
    async close() {
      isClosed = true;
      packs.clear();
      hidden.clear();
      locations.clear();
    },
  };
}

function locationKey(domain: Domain, digest: Uint8Array): string {
  return `${domain} ${Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1')}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function isPiece(descriptor: PackDescriptor, piece: number): boolean {
  return Number.isInteger(piece) && piece >= 0 && piece < descriptor.pieceCount;
}

function roomFor(bytes: number, into: Uint8Array | undefined): Uint8Array {
  return into && into.length >= bytes ? into.subarray(0, bytes) : new Uint8Array(bytes);
}
