import { ContentError } from './content-error.ts';
import type { CutterSpec } from './cutter-spec.ts';
import { digestOf } from './digest.ts';
import { isShort, ZEROS } from './extent-rules.ts';
import { manifestIdFrom, publicDomain } from './ids.ts';
import type { Domain, PackId } from './ids.ts';
import type { ImageHash } from './image-hash.ts';
import { limits } from './limits.ts';
import { encodeManifest } from './manifest-codec.ts';
import type { ExtentTable, Manifest } from './manifest.ts';
import { packLocator } from './pack-secret.ts';

const FIRST_EXTENTS = 64;

/**
 * Takes an image's chunks in image order and merges what lies next to each other. The last chunk alone may be shorter than the cutter's smallest.
 * Errors: TypeError for a chunk the cutter cannot have made; CONTENT_TOO_LARGE over 16 TiB or over the extents or packs of one manifest.
 */
export interface ManifestBuilder {
  /** A run of zeros: whole chunks, or the end of the image. */
  addZeros(length: number): void;
  /** Chunk number `chunk` of `pack`, `length` bytes. */
  addChunk(pack: PackId, chunk: number, length: number): void;
  /** Tells the secret of a project's pack, before or after its chunks are added; of a pack that has none added it is forgotten. */
  addSecret(pack: PackId, secret: Uint8Array): void;
  /** Bytes added so far. */
  readonly imageBytes: number;
  /** May be called once or more; each manifest covers what was added until then. `hash` is usually known only at the end. */
  build(options?: { readonly hash?: ImageHash | undefined }): Manifest;
}

export function createManifestBuilder(options: {
  readonly domain: Domain;
  readonly cutter: CutterSpec;
  readonly hash?: ImageHash | undefined;
}): ManifestBuilder {
  const { cutter } = options;
  const columns = createColumns();
  const packs: PackId[] = [];
  const packIndex = new Map<PackId, number>();
  const told = new Map<PackId, Uint8Array>();
  let imageBytes = 0;
  let hasEnded = false;

  // A refused call changes nothing: every check comes before the first change.
  const checkRoom = (length: number): void => {
    if (hasEnded) throw new TypeError(`the chunk before byte ${imageBytes} is too short to be followed by another`);
    if (imageBytes + length > limits.maxImageBytes) throw tooLarge('bytes', imageBytes + length, limits.maxImageBytes);
  };
  const advance = (length: number, isZeros: boolean): void => {
    hasEnded = isShort(cutter, length, isZeros);
    imageBytes += length;
  };

  return {
    addZeros(length) {
      if (!Number.isSafeInteger(length) || length < 1) throw new TypeError(`not a run of zeros: ${length} bytes`);
      checkRoom(length);
      columns.append(imageBytes, ZEROS, 0);
      advance(length, true);
    },
    addChunk(pack, chunk, length) {
      if (!Number.isInteger(length) || length < 1 || length > cutter.maxBytes) {
        throw new TypeError(`a chunk of ${cutter.name} has 1 to ${cutter.maxBytes} bytes, not ${length}`);
      }
      if (!Number.isInteger(chunk) || chunk < 0 || chunk >= limits.maxChunksPerPack) {
        throw new TypeError(`a pack has no chunk ${chunk}`);
      }
      checkRoom(length);
      const index = packIndex.get(pack) ?? packs.length;
      if (index >= limits.maxManifestPacks) throw tooLarge('packs', index + 1, limits.maxManifestPacks);
      columns.append(imageBytes, index, chunk);
      if (index === packs.length) {
        packs.push(pack);
        packIndex.set(pack, index);
      }
      advance(length, false);
    },
    addSecret(pack, secret) {
      if (options.domain === publicDomain)
        throw new TypeError('a public image is made of public packs, without secrets');
      if (packLocator(secret) !== pack) throw new TypeError(`this is not the secret of pack ${pack}`);
      told.set(pack, new Uint8Array(secret));
    },
    get imageBytes() {
      return imageBytes;
    },
    build({ hash = options.hash } = {}) {
      const extents = columns.table(imageBytes);
      const secrets = new Map<PackId, Uint8Array>();
      for (const pack of packs) {
        const secret = told.get(pack);
        if (secret) secrets.set(pack, secret);
      }
      const unnamed = { imageBytes, domain: options.domain, cutter, hash, packs: [...packs], secrets, extents };
      return { id: manifestIdFrom(digestOf(encodeManifest(unnamed))), ...unnamed };
    },
  };
}

interface Columns {
  /** One chunk or one run of zeros at `offset`, merged into the last extent where it goes on from it. */
  append(offset: number, pack: number, chunk: number): void;
  table(imageBytes: number): ExtentTable;
}

function createColumns(): Columns {
  let count = 0;
  let offsets = new Float64Array(FIRST_EXTENTS);
  let packs = new Int32Array(FIRST_EXTENTS);
  let firstChunks = new Uint16Array(FIRST_EXTENTS);
  let chunkCounts = new Uint16Array(FIRST_EXTENTS);
  const grow = (): void => {
    const room = packs.length * 2;
    const [oldOffsets, oldPacks, oldFirst, oldCounts] = [offsets, packs, firstChunks, chunkCounts];
    (offsets = new Float64Array(room)).set(oldOffsets);
    (packs = new Int32Array(room)).set(oldPacks);
    (firstChunks = new Uint16Array(room)).set(oldFirst);
    (chunkCounts = new Uint16Array(room)).set(oldCounts);
  };
  return {
    append(offset, pack, chunk) {
      const last = count - 1;
      if (count > 0 && packs[last] === pack) {
        if (pack === ZEROS) return;
        if ((firstChunks[last] ?? 0) + (chunkCounts[last] ?? 0) === chunk) {
          chunkCounts[last] = (chunkCounts[last] ?? 0) + 1;
          return;
        }
      }
      if (count >= limits.maxManifestExtents) throw tooLarge('extents', count + 1, limits.maxManifestExtents);
      if (count === packs.length) grow();
      offsets[count] = offset;
      packs[count] = pack;
      firstChunks[count] = chunk;
      chunkCounts[count] = pack === ZEROS ? 0 : 1;
      count += 1;
    },
    table(imageBytes) {
      const ends = new Float64Array(count + 1);
      ends.set(offsets.subarray(0, count));
      ends[count] = imageBytes;
      return {
        count,
        offsets: ends,
        packs: packs.slice(0, count),
        firstChunks: firstChunks.slice(0, count),
        chunkCounts: chunkCounts.slice(0, count),
      };
    },
  };
}

function tooLarge(name: string, declared: number, limit: number): ContentError {
  return new ContentError(
    'CONTENT_TOO_LARGE',
    `an image of ${declared} ${name} is over the limit of ${limit} for one manifest`,
    {
      details: { what: 'manifest', declared, limit },
    },
  );
}
