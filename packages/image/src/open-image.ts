import type {
  Domain,
  ImageHash,
  ImageKey,
  ImageRecord,
  Manifest,
  ManifestId,
  Origin,
  OriginImage,
  PackStore,
  Signer,
  SourceKind,
  Swarm,
} from '@quarry/content';
import { findImage } from './find-image.ts';
import type { FindDeps, FoundManifest } from './find-image.ts';
import { hashGate } from './hash-gate.ts';
import { rangeOf } from './image-range.ts';
import { ImageError, messageOf } from './image-error.ts';
import { createImageHasher } from './image-hasher.ts';
import { imageDefaults } from './options.ts';
import type { Compute } from './threads/compute.ts';
import { streamImage } from './stream-image.ts';

export interface OpenImageDeps extends Omit<FindDeps, 'origin'> {
  readonly store: PackStore;
  readonly swarm: Swarm;
  /** This node's own records are always trusted. */
  readonly signer: Pick<Signer, 'publicKey'>;
  /** Manifests that turned out wrong, on this host: they are not used, and others are added. */
  readonly wrongManifests?: Set<ManifestId> | undefined;
  /** Where chunks are read and hashed for a reader who gives buffers back. Default: here. */
  readonly compute?: Pick<Compute, 'read'> | undefined;
}

/** What the image is, as the origin has said just now to who asks for it. */
export interface OpenTarget extends ImageKey {
  /** Records of peers for another domain are passed over. */
  readonly domain: Domain;
}

export interface OpenImageOptions {
  readonly signal?: AbortSignal | undefined;
  /** First byte; default 0. */
  readonly offset?: number | undefined;
  /** Default: to the image's end. */
  readonly length?: number | undefined;
  /** Where chunks come from that no peer has, and bytes that stall; described by `described`. */
  readonly origin?: Origin | undefined;
  readonly described?: OriginImage | undefined;
  /** See imageDefaults. */
  readonly stallMs?: number | undefined;
  /** How long peers are asked for a record, manifest or descriptor. Default imageDefaults.findPatienceMs. */
  readonly patienceMs?: number | undefined;
  /** Manifests not to use: those that turned out wrong. */
  readonly exceptManifests?: ReadonlySet<ManifestId> | undefined;
  /** Called as chunks arrive, in whatever order; must not throw. */
  readonly onProgress?: (() => void) | undefined;
}

export interface OpenedImage {
  /**
   * Exactly the bytes asked for, in order, each chunk hashed before any of it comes out, in buffers of 1 byte to 1 MiB that must not be changed; or it throws
   * (IMAGE_STALLED, IMAGE_HASH_MISMATCH, …). To be read once. Leaving early ends all that is under way; so does the signal.
   */
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  /**
   * Whether the whole image is held against its hash on the way, because nobody has vouched for it yet whom this node trusts. Then what came out may be wrong,
   * and nobody else may go on where it breaks off.
   */
  readonly isHashChecked: boolean;
  /** Of the bytes that have come out so far. */
  report(): Readonly<Record<SourceKind, number>>;
  /** For who is done with a buffer: it is used again, which halves the cost of a local image. Nobody may look at it afterwards. */
  recycle(bytes: Uint8Array): void;
}

/**
 * An image as a stream that begins with the first chunks that are here, while the others are fetched. Resolves when the first bytes are at hand; rejects on any
 * trouble before that. Undefined if nobody whose word can be relied on knows how the image is made: then it can only be had whole, from where it is.
 * What is fetched stays, and so do record and manifest; a record whose image turns out to have another hash is forgotten.
 * @throws ImageError IMAGE_BAD_RANGE, IMAGE_UNKNOWN_PARTS, IMAGE_BAD_MANIFEST, IMAGE_CHUNKS_ABSENT, IMAGE_CHUNK_BAD, IMAGE_STALLED, IMAGE_HASH_MISMATCH, IMAGE_STORE_FAILED,
 *   IMAGE_NO_SPACE; the signal's reason
 */
export async function openImage(
  deps: OpenImageDeps,
  target: OpenTarget,
  options: OpenImageOptions = {},
): Promise<OpenedImage | undefined> {
  const { signal, patienceMs = imageDefaults.findPatienceMs, stallMs = imageDefaults.stallMs } = options;
  const range = rangeOf(target.imageBytes, options);
  const found = await find(deps, target, patienceMs, options);
  if (!found) return undefined;
  const { record, manifest, mustMatch } = found;
  const isWhole = range.from === 0 && range.to === target.imageBytes;
  const isHashChecked = mustMatch !== undefined && !(await isVerified(deps, manifest.id, mustMatch));
  if (isHashChecked && !isWhole) return undefined;
  const described = options.described && isOf(target, options.described) ? options.described : undefined;
  const source = options.origin && described && { origin: options.origin, described };
  const stream = streamImage(deps, found, {
    range,
    source,
    patienceMs,
    stallMs,
    signal,
    onProgress: options.onProgress,
  });
  const checked =
    isHashChecked && mustMatch
      ? hashGate(stream.bytes, createImageHasher(mustMatch.algorithm), (hash) => judge(deps, found, mustMatch, hash))
      : stream.bytes;
  const first = await checked.next(); // an error ends the stream
  let isFirst = true;
  const bytes: AsyncGenerator<Uint8Array, void, undefined> = {
    next() {
      if (!isFirst) return checked.next();
      isFirst = false;
      return Promise.resolve(first);
    },
    return() {
      isFirst = false;
      stream.stop();
      return checked.return();
    },
    throw(error) {
      isFirst = false;
      stream.stop();
      return checked.throw(error);
    },
    [Symbol.asyncIterator]: () => bytes,
    [Symbol.asyncDispose]: async () => void (await bytes.return()),
  };
  return {
    bytes,
    record,
    manifest,
    isHashChecked,
    report: () => stream.report(),
    recycle: (done) => stream.recycle(done),
  };
}

/** More come from somebody who makes them on purpose, and would fill the memory. */
const MAX_WRONG_MANIFESTS = 1000;

async function find(
  deps: OpenImageDeps,
  target: OpenTarget,
  patienceMs: number,
  { signal, exceptManifests }: OpenImageOptions,
): Promise<FoundManifest | undefined> {
  const { ref, imageBytes, hash, domain } = target;
  const described: OriginImage = { ref, name: ref, imageBytes, hash, format: undefined, version: hash.value };
  const trust = { publishers: [...deps.trust.publishers, deps.signer.publicKey] };
  const except = new Set([...(exceptManifests ?? []), ...(deps.wrongManifests ?? [])]);
  const findOptions = { signal, patienceMs, exceptManifests: except, described, domain };
  const { found } = await findImage({ ...deps, trust }, ref, findOptions);
  return found;
}

/** Whether the origin describes the very image that was asked for: it may have been replaced in between. */
function isOf(target: OpenTarget, { imageBytes, hash }: OriginImage): boolean {
  return imageBytes === target.imageBytes && (hash === undefined || isSame(hash, target.hash));
}

function isSame(a: ImageHash, b: ImageHash): boolean {
  return a.algorithm === b.algorithm && a.value === b.value;
}

async function isVerified({ catalog, logger }: OpenImageDeps, id: ManifestId, hash: ImageHash): Promise<boolean> {
  try {
    const verified = await catalog.findVerified(id);
    return verified !== undefined && isSame(verified, hash);
  } catch (error) {
    logger.warn('what was verified before is not known', { manifest: id, error: messageOf(error) });
    return false;
  }
}

async function judge(
  { catalog, logger, wrongManifests }: OpenImageDeps,
  { record, manifest }: FoundManifest,
  expected: ImageHash,
  actual: ImageHash,
): Promise<void> {
  const { ref } = record;
  const unnoted = (error: unknown): void => {
    logger.warn('what the image hashes to could not be noted', { ref, error: messageOf(error) });
  };
  if (isSame(actual, expected)) return catalog.markVerified(manifest.id, actual).catch(unnoted);
  if ((wrongManifests?.size ?? 0) >= MAX_WRONG_MANIFESTS) wrongManifests?.clear();
  wrongManifests?.add(manifest.id);
  await catalog.removeRecords(ref, { where: (other) => other.manifest === manifest.id }).catch(unnoted);
  const publisher = Buffer.from(record.publisher).toString('hex');
  const message = `image ${ref} by manifest ${manifest.id} has ${expected.algorithm} ${actual.value} instead of ${expected.value}: its publisher ${publisher} lied or was wrong`;
  throw new ImageError('IMAGE_HASH_MISMATCH', message, {
    details: { ref, manifest: manifest.id, publisher, expected: expected.value, actual: actual.value },
  });
}
