import { crc32 } from 'node:zlib';
import { idBytes } from '@quarry/content';
import type { PackId } from '@quarry/content';

/** One place of a chunk, as an entry of the chunk index lists it: 10 bytes, big-endian. */
export interface PackedLocation {
  /** The pack's number, 4 bytes. */
  readonly number: number;
  /** The chunk's number in it, 2 bytes. */
  readonly chunk: number;
  /** CRC-32 over pack id, chunk's number and digest, 4 bytes: against bit rot and numbers given anew, not against malice. */
  readonly check: number;
  /** All of it. */
  readonly bytes: Uint8Array;
}

const LOCATION_BYTES = 10;

export function packLocation(
  pack: { readonly id: PackId; readonly number: number },
  chunk: number,
  digest: Uint8Array,
): Uint8Array {
  const bytes = Buffer.allocUnsafe(LOCATION_BYTES);
  bytes.writeUInt32BE(pack.number, 0);
  bytes.writeUInt16BE(chunk, 4);
  bytes.writeUInt32BE(checkOf(pack.id, chunk, digest), 6);
  return bytes;
}

/** The locations of an entry; what is too short for one is passed over. */
export function unpackLocations(entry: Uint8Array): PackedLocation[] {
  const view = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
  return Array.from({ length: Math.floor(entry.length / LOCATION_BYTES) }, (_, i) => {
    const bytes = view.subarray(i * LOCATION_BYTES, (i + 1) * LOCATION_BYTES);
    return { number: bytes.readUInt32BE(0), chunk: bytes.readUInt16BE(4), check: bytes.readUInt32BE(6), bytes };
  });
}

/** Whether this was written for this pack, this chunk and this very digest. */
export function isLocationOf({ chunk, check }: PackedLocation, id: PackId, digest: Uint8Array): boolean {
  return check === checkOf(id, chunk, digest);
}

function checkOf(id: PackId, chunk: number, digest: Uint8Array): number {
  return crc32(digest, crc32(Uint8Array.of(chunk >> 8, chunk & 0xff), crcOfId(id)));
}

// Chunks come in the order of their packs.
let lastId: PackId | undefined;
let lastCrc = 0;

function crcOfId(id: PackId): number {
  if (id !== lastId) {
    lastId = id;
    lastCrc = crc32(idBytes(id));
  }
  return lastCrc;
}
