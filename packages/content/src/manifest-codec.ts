import { ByteReader, checkEncodedBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { ContentError } from './content-error.ts';
import { cdc64k, fixed64k } from './cutter-spec.ts';
import type { CutterSpec } from './cutter-spec.ts';
import { digestOf } from './digest.ts';
import { extentProblem, isFixed, ZEROS } from './extent-rules.ts';
import { domain as checkedDomain, idBytes, manifestIdFrom, packIdFrom, publicDomain } from './ids.ts';
import type { ManifestId, PackId } from './ids.ts';
import { readImageHash, writeImageHash } from './image-hash-codec.ts';
import { limits } from './limits.ts';
import type { ExtentTable, Manifest } from './manifest.ts';
import { packLocator } from './pack-secret.ts';

// An extent is a tag, then for zeros its length, for chunks the first chunk's distance from where this pack was left, the count less one
// and, where the cutter does not fix it, the length. Going on in a pack after its next few chunks is 3 bytes (FORMAT.md).
const MAGIC = 'QMF1';
/** Names at least one private pack, by its secret. */
const PRIVATE_MAGIC = 'QMF2';
const KIND_ID = 0;
const KIND_SECRET = 1;
const TAG_ZEROS = 0;
const TAG_NEXT_PACK = 1;
const TAG_FIRST_KNOWN_PACK = 2;
const MIN_EXTENT_BYTES = 2;

const CUTTERS: readonly { readonly code: number; readonly spec: CutterSpec }[] = [
  { code: 1, spec: fixed64k },
  { code: 2, spec: cdc64k },
];

/** The canonical bytes, whose BLAKE3 is the manifest's id. Takes what the builder or the decoder made. */
export function encodeManifest(manifest: Omit<Manifest, 'id'>): Uint8Array {
  const { cutter, extents, packs, secrets, imageBytes } = manifest;
  const writer = new ByteWriter(256 + packs.length * (limits.digestBytes + 1) + extents.count * 4);
  writer.magic(secrets.size > 0 ? PRIVATE_MAGIC : MAGIC);
  writer.text(manifest.domain);
  writeCutter(writer, cutter);
  writer.varint(imageBytes);
  writeImageHash(writer, manifest.hash);
  writer.varint(packs.length);
  for (const pack of packs) {
    const secret = secrets.get(pack);
    if (secrets.size > 0) writer.u8(secret ? KIND_SECRET : KIND_ID);
    writer.raw(secret ?? idBytes(pack));
  }
  writer.varint(extents.count);
  const unit = isFixed(cutter) ? cutter.maxBytes : 1;
  const nextChunks = new Uint16Array(packs.length);
  let usedPacks = 0;
  for (let i = 0; i < extents.count; i += 1) {
    const pack = extents.packs[i] ?? ZEROS;
    const length = (extents.offsets[i + 1] ?? 0) - (extents.offsets[i] ?? 0);
    if (pack === ZEROS) {
      writer.u8(TAG_ZEROS);
      writer.varint(Math.ceil(length / unit));
      continue;
    }
    writer.varint(pack === usedPacks ? TAG_NEXT_PACK : TAG_FIRST_KNOWN_PACK + pack);
    if (pack === usedPacks) usedPacks += 1;
    const firstChunk = extents.firstChunks[i] ?? 0;
    const chunkCount = extents.chunkCounts[i] ?? 0;
    writer.varint(zigzag(firstChunk - (nextChunks[pack] ?? 0)));
    writer.varint(chunkCount - 1);
    if (unit === 1) writer.varint(length);
    nextChunks[pack] = firstChunk + chunkCount;
  }
  return writer.finish();
}

/**
 * Allocates at most 10 times the bytes it is given.
 * @throws ContentError CONTENT_DIGEST_MISMATCH if the bytes are not those of `expectedId`, CONTENT_TOO_LARGE, CONTENT_MALFORMED
 */
export function decodeManifest(bytes: Uint8Array, expectedId?: ManifestId): Manifest {
  checkEncodedBytes('manifest', bytes, limits.maxManifestBytes);
  const id = manifestIdFrom(digestOf(bytes));
  if (expectedId !== undefined && id !== expectedId) {
    throw new ContentError('CONTENT_DIGEST_MISMATCH', `these are the bytes of manifest ${id}, not of ${expectedId}`, {
      details: { expected: expectedId, actual: id },
    });
  }
  const reader = new ByteReader(bytes, 'manifest');
  const isPrivate = Buffer.from(bytes.subarray(0, PRIVATE_MAGIC.length)).toString('latin1') === PRIVATE_MAGIC;
  reader.magic(isPrivate ? PRIVATE_MAGIC : MAGIC);
  const text = reader.text();
  const domain = reader.checked(() => checkedDomain(text));
  if (isPrivate && domain === publicDomain) throw reader.malformed('names private packs although it is public');
  const cutter = readCutter(reader);
  const imageBytes = readImageBytes(reader);
  const hash = readImageHash(reader);
  const { packs, secrets } = readPacks(reader, isPrivate);
  const extents = readExtents(reader, { cutter, imageBytes, packCount: packs.length });
  reader.end();
  return { id, imageBytes, domain, cutter, hash, packs, secrets, extents };
}

/** Shared with the image record. */
export function readImageBytes(reader: ByteReader): number {
  const imageBytes = reader.varint();
  if (imageBytes <= limits.maxImageBytes) return imageBytes;
  throw new ContentError('CONTENT_TOO_LARGE', `${reader.what} declares an image of ${imageBytes} bytes`, {
    details: { what: reader.what, declared: imageBytes, limit: limits.maxImageBytes },
  });
}

function writeCutter(writer: ByteWriter, cutter: CutterSpec): void {
  const known = CUTTERS.find(({ spec }) => isSameCutter(spec, cutter));
  if (!known) throw new TypeError(`not a cutter of this format: ${JSON.stringify(cutter)}`);
  writer.u8(known.code);
  writer.varint(cutter.minBytes);
  writer.varint(cutter.meanBytes);
  writer.varint(cutter.maxBytes);
}

function readCutter(reader: ByteReader): CutterSpec {
  const code = reader.u8();
  const known = CUTTERS.find((candidate) => candidate.code === code);
  if (!known) throw reader.malformed(`has the unknown cutter ${code}`);
  const spec = {
    name: known.spec.name,
    minBytes: reader.varint(),
    meanBytes: reader.varint(),
    maxBytes: reader.varint(),
  };
  if (!isSameCutter(spec, known.spec))
    throw reader.malformed(`has other parameters for ${spec.name} than this version`);
  return known.spec;
}

function isSameCutter(a: CutterSpec, b: CutterSpec): boolean {
  return a.name === b.name && a.minBytes === b.minBytes && a.meanBytes === b.meanBytes && a.maxBytes === b.maxBytes;
}

function readPacks(reader: ByteReader, isPrivate: boolean): Pick<Manifest, 'packs' | 'secrets'> {
  const count = reader.count('packs', limits.maxManifestPacks, limits.digestBytes + Number(isPrivate));
  const packs: PackId[] = [];
  const secrets = new Map<PackId, Uint8Array>();
  for (let i = 0; i < count; i += 1) {
    const kind = isPrivate ? reader.u8() : KIND_ID;
    if (kind !== KIND_ID && kind !== KIND_SECRET) throw reader.malformed(`names a pack in the unknown way ${kind}`);
    const name = reader.view(limits.digestBytes);
    const pack = kind === KIND_ID ? packIdFrom(name) : packLocator(name);
    packs.push(pack);
    if (kind === KIND_SECRET) secrets.set(pack, new Uint8Array(name));
  }
  if (new Set(packs).size !== count) throw reader.malformed('lists one pack twice');
  if (isPrivate && secrets.size === 0) throw reader.malformed('names no private pack, and would do in the older form');
  return { packs, secrets };
}

function readExtents(
  reader: ByteReader,
  image: { readonly cutter: CutterSpec; readonly imageBytes: number; readonly packCount: number },
): ExtentTable {
  const { cutter, imageBytes, packCount } = image;
  const count = reader.count('extents', limits.maxManifestExtents, MIN_EXTENT_BYTES);
  const offsets = new Float64Array(count + 1);
  const packs = new Int32Array(count);
  const firstChunks = new Uint16Array(count);
  const chunkCounts = new Uint16Array(count);
  const nextChunks = new Uint16Array(packCount);
  const unit = isFixed(cutter) ? cutter.maxBytes : 1;
  let usedPacks = 0;
  let offset = 0;
  for (let i = 0; i < count; i += 1) {
    const tag = reader.varint();
    const left = imageBytes - offset;
    let firstChunk = 0;
    let chunkCount = 0;
    let length: number;
    let pack = ZEROS;
    if (tag === TAG_ZEROS) {
      const units = reader.varint();
      if (units > Math.ceil(left / unit)) throw reader.malformed(`has an extent over the image's end (${imageBytes})`);
      length = Math.min(units * unit, left);
    } else {
      pack = tag === TAG_NEXT_PACK ? usedPacks++ : tag - TAG_FIRST_KNOWN_PACK;
      if (pack >= usedPacks || pack >= packCount) throw reader.malformed(`names pack ${pack} before its turn`);
      firstChunk = (nextChunks[pack] ?? 0) + unzigzag(reader.varint());
      chunkCount = reader.varint() + 1;
      length = unit === 1 ? reader.varint() : Math.min(chunkCount * unit, left);
      if (length > left) throw reader.malformed(`has an extent over the image's end (${imageBytes})`);
    }
    const problem = extentProblem(cutter, { firstChunk, chunkCount, length, isLast: length === left });
    if (problem !== undefined) throw reader.malformed(`has an extent ${i} that ${problem}`);
    const goesOn = pack === ZEROS || firstChunk === nextChunks[pack];
    if (i > 0 && pack === packs[i - 1] && goesOn)
      throw reader.malformed(`has an extent ${i} that belongs to the one before it`);
    offsets[i] = offset;
    packs[i] = pack;
    firstChunks[i] = firstChunk;
    chunkCounts[i] = chunkCount;
    if (pack !== ZEROS) nextChunks[pack] = firstChunk + chunkCount;
    offset += length;
  }
  if (offset !== imageBytes) throw reader.malformed(`ends at byte ${offset} of an image of ${imageBytes}`);
  if (usedPacks !== packCount) throw reader.malformed(`lists ${packCount} packs and uses ${usedPacks}`);
  offsets[count] = imageBytes;
  return { count, offsets, packs, firstChunks, chunkCounts };
}

function zigzag(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
