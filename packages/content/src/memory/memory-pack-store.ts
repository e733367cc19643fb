import { addPieceMask, chunksOf, copyChunkSet, createChunkSet, pieceMask, removeChunk } from '../chunk-set.ts';
import type { ChunkSet } from '../chunk-set.ts';
import { digestEquals, digestOf } from '../digest.ts';
import type { Domain, PackId } from '../ids.ts';
import { limits } from '../limits.ts';
import { chunkDigest, chunkLength, chunkOffset, fullPieceMask, pieceChunks } from '../pack-descriptor.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import type { ChunkLocation, PackStore, VerifyReport } from '../ports/pack-store.ts';
import { sealPiece } from '../verified-piece.ts';
import type { VerifiedPiece } from '../verified-piece.ts';
import { createMemoryPackStage } from './memory-pack-stage.ts';
import { MemoryStoreError } from './memory-store-error.ts';

interface MemoryPack {
  readonly descriptor: PackDescriptor;
  readonly present: ChunkSet;
  readonly chunks: (Uint8Array | undefined)[];
  bytes: number;
  /** Position in the order of use; the smallest is evicted first. */
  usedAt: number;
}

/** A PackStore that is gone when the process is: for tests, and for a node that is told to keep nothing. */
export function createMemoryPackStore(): PackStore {
  const packs = new Map<PackId, MemoryPack>();
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
  const isHeld = (id: PackId): boolean => leases.has(id) || [...pins.values()].some((pinned) => pinned.has(id));
  const heldBytes = (): number => sum([...packs].filter(([id]) => isHeld(id)).map(([, pack]) => pack.bytes));
  const keptBytes = (): number => sum([...packs.values()].map((pack) => pack.bytes));

  const add = (descriptor: PackDescriptor): void => {
    if (packs.has(descriptor.id)) return;
    const present = createChunkSet(descriptor.chunkCount);
    packs.set(descriptor.id, { descriptor, present, chunks: [], bytes: 0, usedAt: ++uses });
    for (let chunk = 0; chunk < descriptor.chunkCount; chunk += 1) {
      const key = locationKey(descriptor.domain, chunkDigest(descriptor, chunk));
      locations.set(key, [...(locations.get(key) ?? []), { pack: descriptor.id, chunk }]);
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
    const present = found.find(({ pack, chunk }) => packs.get(pack)?.chunks[chunk] !== undefined);
    return present ?? (allowAbsent ? found[0] : undefined);
  };
  /** The chunks' bytes one after another, in `into` or a new buffer. */
  const read = (id: PackId, wanted: readonly number[], into: Uint8Array | undefined): Uint8Array => {
    const pack = getPack(id);
    const length = sum(wanted.map((chunk) => chunkLength(pack.descriptor, chunk)));
    if (into && into.length !== length)
      throw new TypeError(`the chunks are ${length} bytes, the buffer ${into.length}`);
    const out = into ?? new Uint8Array(length);
    let at = 0;
    for (const chunk of wanted) {
      const bytes = pack.chunks[chunk];
      if (!bytes) {
        throw new MemoryStoreError('STORE_CHUNK_ABSENT', `chunk ${chunk} of pack ${id} is not here: fetch it`, {
          details: { pack: id, chunk },
        });
      }
      out.set(bytes, at);
      at += bytes.length;
    }
    pack.usedAt = ++uses;
    return out;
  };
  const write = ({ descriptor, piece, mask, bytes }: VerifiedPiece): void => {
    const pack = getPack(descriptor.id);
    const { first, count } = pieceChunks(descriptor, piece);
    const added = mask & ~pieceMask(pack.present, piece, descriptor.chunksPerPiece);
    let at = 0;
    for (let i = 0; i < count; i += 1) {
      if (((mask >> i) & 1) === 0) continue;
      const length = chunkLength(descriptor, first + i);
      if ((added >> i) & 1) {
        pack.chunks[first + i] = new Uint8Array(bytes.subarray(at, at + length)); // a Buffer's slice would be no copy
        pack.bytes += length;
      }
      at += length;
    }
    pack.usedAt = ++uses;
    if (added === 0) return;
    addPieceMask(pack.present, piece, descriptor.chunksPerPiece, added);
    for (const listener of presentListeners) listener(descriptor.id, piece, added);
  };
  const drop = (pack: MemoryPack, chunks: Iterable<number>): void => {
    let dropped = 0;
    for (const chunk of chunks) {
      const bytes = pack.chunks[chunk];
      if (!bytes) continue;
      pack.chunks[chunk] = undefined;
      pack.bytes -= bytes.length;
      removeChunk(pack.present, chunk);
      dropped += 1;
    }
    if (dropped > 0) for (const listener of absentListeners) listener(pack.descriptor.id);
  };
  const isBad = (pack: MemoryPack, chunk: number): boolean => {
    const bytes = pack.chunks[chunk];
    return bytes !== undefined && !digestEquals(digestOf(bytes), chunkDigest(pack.descriptor, chunk));
  };
  const keepStaged = (descriptor: PackDescriptor, bytes: Uint8Array): void => {
    add(descriptor);
    for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
      const { first, count } = pieceChunks(descriptor, piece);
      const [from, to] = [chunkOffset(descriptor, first), chunkOffset(descriptor, first + count)];
      write(sealPiece(descriptor, piece, bytes.subarray(from, to)));
    }
  };

  return {
    async addPack(descriptor, { signal } = {}) {
      enter(signal);
      add(descriptor);
    },
    async findPack(pack, { signal } = {}) {
      enter(signal);
      return packs.get(pack)?.descriptor;
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
    async findChunks(digests, { domains, allowAbsent = false, signal }) {
      enter(signal);
      if (digests.length % limits.digestBytes !== 0) throw new TypeError('digests are 32 bytes each');
      return Array.from({ length: digests.length / limits.digestBytes }, (_, i) =>
        findChunk(digests.subarray(i * limits.digestBytes, (i + 1) * limits.digestBytes), domains, allowAbsent),
      );
    },
    async writePiece(piece, { signal } = {}) {
      enter(signal);
      write(piece);
    },
    async stagePack({ signal } = {}) {
      enter(signal);
      return createMemoryPackStage({ enter, keep: keepStaged });
    },
    async readPiece(pack, piece, mask, { signal } = {}) {
      enter(signal);
      const { descriptor } = getPack(pack);
      if (
        !Number.isInteger(piece) ||
        piece < 0 ||
        piece >= descriptor.pieceCount ||
        mask <= 0 ||
        mask & ~fullPieceMask(descriptor, piece)
      ) {
        throw new TypeError(`pack ${pack} has no piece ${piece} with mask ${mask}`);
      }
      const { first, count } = pieceChunks(descriptor, piece);
      const inMask = Array.from({ length: count }, (_, i) => first + i).filter((_, i) => (mask >> i) & 1);
      return read(pack, inMask, undefined);
    },
    async readStored(pack, piece, { signal } = {}) {
      enter(signal);
      const { descriptor } = getPack(pack);
      if (!Number.isInteger(piece) || piece < 0 || piece >= descriptor.pieceCount)
        throw new TypeError(`pack ${pack} has no piece ${piece}`);
      const { first, count } = pieceChunks(descriptor, piece);
      const chunks = Array.from({ length: count }, (_, i) => first + i);
      return { encoding: 'plain', bytes: read(pack, chunks, undefined) };
    },
    async readChunks(pack, firstChunk, count, { into, signal } = {}) {
      enter(signal);
      const { descriptor } = getPack(pack);
      if (!Number.isInteger(firstChunk) || firstChunk < 0 || count < 1 || firstChunk + count > descriptor.chunkCount) {
        throw new TypeError(`pack ${pack} has no chunks ${firstChunk} to ${firstChunk + count - 1}`);
      }
      return read(
        pack,
        Array.from({ length: count }, (_, i) => firstChunk + i),
        into,
      );
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
      let kept = keptBytes();
      for (const pack of [...packs.values()].sort((a, b) => a.usedAt - b.usedAt)) {
        if (kept <= maxBytes) break;
        if (isHeld(pack.descriptor.id)) continue;
        victims.push(pack);
        kept -= pack.bytes;
      }
      for (const victim of victims) forget(victim);
      const evictedBytes = sum(victims.map((pack) => pack.bytes));
      return { evictedPacks: victims.length, evictedBytes, keptBytes: kept, heldBytes: heldBytes() };
    },
    async verify({ signal, onProgress } = {}) {
      enter(signal);
      const all = [...packs.values()];
      const totalBytes = keptBytes();
      let checkedBytes = 0;
      let checkedChunks = 0;
      const badChunks: ChunkLocation[] = [];
      for (const pack of all) {
        checkedBytes += pack.bytes;
        checkedChunks += pack.chunks.filter((bytes) => bytes !== undefined).length;
        const bad = [...chunksOf(pack.present)].filter((chunk) => isBad(pack, chunk));
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
      return { packs: packs.size, presentBytes: keptBytes(), storedBytes: keptBytes(), pinnedPacks };
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
