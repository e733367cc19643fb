import { ByteReader, checkEncodedBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { ContentError } from './content-error.ts';
import { digestOf } from './digest.ts';
import { domain as checkedDomain, packIdFrom, publicDomain } from './ids.ts';
import type { Domain, PackId } from './ids.ts';
import { limits } from './limits.ts';
import { chunksPerPieceFor } from './pack-descriptor.ts';
import type { PackDescriptor } from './pack-descriptor.ts';
import { packLocator } from './pack-secret.ts';

/** A public pack; and a project's of an older build, which nobody announces or serves any more. */
const MAGIC = 'QPK1';
/** A project's pack, with a salt. */
const PRIVATE_MAGIC = 'QPK2';
/** Every chunk but the last has 64 KiB; only the last one's length is written. */
const UNIFORM = 0;
/** The length of each chunk is written. */
const TABLE = 1;

/**
 * Names a new pack. `digests` holds 32 bytes for each of `lengths`, in the order in which the chunks lie in the pack. A project's pack has a salt of 32
 * bytes (`packSalt`), by which its id cannot be guessed from its content; a public one has none.
 * @throws TypeError if the two do not fit each other, if there are 0 or over 4,096, a length is not 1 to 256 KiB, or the salt does not fit the domain
 * @throws ContentError CONTENT_MALFORMED if one digest appears twice
 */
export function createPackDescriptor(parts: {
  readonly domain: Domain;
  readonly digests: Uint8Array;
  readonly lengths: ArrayLike<number>;
  readonly salt?: Uint8Array | undefined;
}): PackDescriptor {
  const { digests, lengths } = parts;
  checkSalt(parts.domain, parts.salt);
  const count = lengths.length;
  if (count < 1 || count > limits.maxChunksPerPack) {
    throw new TypeError(`a pack has 1 to ${limits.maxChunksPerPack} chunks, not ${count}`);
  }
  if (digests.length !== count * limits.digestBytes) {
    throw new TypeError(`${count} chunks have ${count * limits.digestBytes} bytes of digests, not ${digests.length}`);
  }
  const offsets = new Uint32Array(count + 1);
  for (let i = 0; i < count; i += 1) {
    const length = lengths[i] ?? 0;
    if (!Number.isInteger(length) || length < 1 || length > limits.maxChunkBytes) {
      throw new TypeError(`a chunk has 1 to ${limits.maxChunkBytes} bytes, not ${length}`);
    }
    offsets[i + 1] = (offsets[i] ?? 0) + length;
  }
  const salt = parts.salt && new Uint8Array(parts.salt);
  const unnamed = { domain: parts.domain, salt, digests: new Uint8Array(digests), offsets, ...shapeOf(count) };
  if (hasRepeatedDigest(digests, count)) {
    throw new ContentError('CONTENT_MALFORMED', 'a pack holds each chunk once, and these digests name one twice');
  }
  return { ...namesOf(encodePackDescriptor(unnamed), salt), ...unnamed };
}

/** The canonical bytes, from whose BLAKE3 the pack has its id. At most `limits.maxDescriptorBytes`. */
export function encodePackDescriptor(descriptor: Omit<PackDescriptor, 'id' | 'secret'>): Uint8Array {
  const { chunkCount, digests, offsets, salt } = descriptor;
  const uniform = isUniform(offsets, chunkCount);
  const writer = new ByteWriter(128 + digests.length + (uniform ? 0 : 3 * chunkCount));
  writer.magic(salt ? PRIVATE_MAGIC : MAGIC);
  writer.text(descriptor.domain);
  if (salt) writer.raw(salt);
  writer.u16(chunkCount);
  writer.u8(uniform ? UNIFORM : TABLE);
  for (let i = uniform ? chunkCount - 1 : 0; i < chunkCount; i += 1) {
    writer.u24(lengthAt(offsets, i));
  }
  writer.raw(digests);
  return writer.finish();
}

/**
 * Copies what it needs: the descriptor does not keep `bytes` alive.
 * @throws ContentError CONTENT_DIGEST_MISMATCH if the bytes are not those of `expectedId`, CONTENT_TOO_LARGE, CONTENT_MALFORMED
 */
export function decodePackDescriptor(bytes: Uint8Array, expectedId?: PackId): PackDescriptor {
  checkEncodedBytes('pack descriptor', bytes, limits.maxDescriptorBytes);
  const isPrivate = Buffer.from(bytes.subarray(0, PRIVATE_MAGIC.length)).toString('latin1') === PRIVATE_MAGIC;
  const { id, secret } = namesOf(bytes, isPrivate);
  if (expectedId !== undefined && id !== expectedId) {
    throw new ContentError('CONTENT_DIGEST_MISMATCH', `these are the bytes of pack ${id}, not of ${expectedId}`, {
      details: { expected: expectedId, actual: id },
    });
  }
  const reader = new ByteReader(bytes, 'pack descriptor');
  reader.magic(isPrivate ? PRIVATE_MAGIC : MAGIC);
  const text = reader.text();
  const domain = reader.checked(() => checkedDomain(text));
  if (isPrivate && domain === publicDomain) throw reader.malformed('has a salt although it is public');
  const salt = isPrivate ? reader.copy(limits.saltBytes) : undefined;
  const count = reader.u16();
  if (count < 1 || count > limits.maxChunksPerPack) {
    throw reader.malformed(`declares ${count} chunks instead of 1 to ${limits.maxChunksPerPack}`);
  }
  const mode = reader.u8();
  if (mode !== UNIFORM && mode !== TABLE) throw reader.malformed(`has the unknown length mode ${mode}`);
  const expected = count * limits.digestBytes + (mode === UNIFORM ? 3 : 3 * count);
  if (reader.remaining !== expected) {
    throw reader.malformed(`has ${reader.remaining} bytes of lengths and digests instead of ${expected}`);
  }
  const offsets = readOffsets(reader, count, mode);
  const digests = reader.copy(count * limits.digestBytes);
  if (hasRepeatedDigest(digests, count)) throw reader.malformed('names one chunk twice');
  return { id, secret, domain, salt, digests, offsets, ...shapeOf(count) };
}

function namesOf(encoded: Uint8Array, isPrivate: unknown): Pick<PackDescriptor, 'id' | 'secret'> {
  const digest = new Uint8Array(digestOf(encoded));
  return isPrivate ? { id: packLocator(digest), secret: digest } : { id: packIdFrom(digest), secret: undefined };
}

function checkSalt(domain: Domain, salt: Uint8Array | undefined): void {
  if (domain === publicDomain) {
    if (salt) throw new TypeError('a public pack has no salt: everybody makes the same pack of the same chunks');
  } else if (salt?.length !== limits.saltBytes) {
    throw new TypeError(`a pack of ${domain} has a salt of ${limits.saltBytes} bytes, not ${salt?.length ?? 'none'}`);
  }
}

function readOffsets(reader: ByteReader, count: number, mode: number): Uint32Array {
  const maxBytes = mode === UNIFORM ? limits.fixedChunkBytes : limits.maxChunkBytes;
  const offsets = new Uint32Array(count + 1);
  for (let i = 0; i < count; i += 1) {
    const length = mode === UNIFORM && i < count - 1 ? limits.fixedChunkBytes : reader.u24();
    if (length < 1 || length > maxBytes) throw reader.malformed(`has a chunk of ${length} bytes`);
    offsets[i + 1] = (offsets[i] ?? 0) + length;
  }
  if (mode === TABLE && isUniform(offsets, count))
    throw reader.malformed('has a table of lengths that it does not need');
  return offsets;
}

function shapeOf(chunkCount: number): Pick<PackDescriptor, 'chunkCount' | 'chunksPerPiece' | 'pieceCount'> {
  const chunksPerPiece = chunksPerPieceFor(chunkCount);
  return { chunkCount, chunksPerPiece, pieceCount: Math.ceil(chunkCount / chunksPerPiece) };
}

function isUniform(offsets: Uint32Array, count: number): boolean {
  for (let i = 0; i < count - 1; i += 1) if (lengthAt(offsets, i) !== limits.fixedChunkBytes) return false;
  return lengthAt(offsets, count - 1) <= limits.fixedChunkBytes;
}

function lengthAt(offsets: Uint32Array, chunk: number): number {
  return (offsets[chunk + 1] ?? 0) - (offsets[chunk] ?? 0);
}

/** The engine's string hash is seeded per process: a hostile descriptor cannot aim at collisions. */
function hasRepeatedDigest(digests: Uint8Array, count: number): boolean {
  const buffer = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength);
  const seen = new Set<string>();
  for (let at = 0; at < digests.length; at += limits.digestBytes)
    seen.add(buffer.toString('latin1', at, at + limits.digestBytes));
  return seen.size !== count;
}
