import type {
  Domain,
  ImageCatalog,
  ImageHash,
  ImageRecord,
  ImageRef,
  Manifest,
  ManifestId,
  Origin,
  OriginImage,
  Swarm,
} from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import { askPatiently } from './ask-peers.ts';
import { chooseRecord } from './choose-record.ts';
import type { Candidate, Choice, Expectation, Trust } from './choose-record.ts';
import { ImageError, messageOf } from './image-error.ts';

export interface FindDeps {
  readonly catalog: ImageCatalog;
  readonly swarm: Pick<Swarm, 'findRecords' | 'findManifest'>;
  readonly origin?: Origin | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly trust: Trust;
}

export interface FindOptions {
  readonly signal?: AbortSignal | undefined;
  readonly expectedHash?: ImageHash | undefined;
  readonly exceptManifests?: ReadonlySet<ManifestId> | undefined;
  readonly patienceMs: number;
  /** What the image is, where the caller knows it for certain: the origin is not asked. */
  readonly described?: OriginImage | undefined;
  /** Whose images peers are believed to have: records for another domain would show an image to those who may not see it. Default: any. */
  readonly domain?: Domain | undefined;
  /** A record that the caller has already; otherwise the catalog and the peers are asked. */
  readonly record?: ImageRecord | undefined;
}

/** An image with all that is known of it. */
export interface FoundImage {
  /** Undefined: only the origin can give it, if anybody. */
  readonly found: FoundManifest | undefined;
  /** The origin's word, where there is an origin and it answers. */
  readonly described: OriginImage | undefined;
  /** Why there is nothing better than the origin. */
  readonly reason: ImageError | undefined;
}

export interface FoundManifest extends Candidate {
  readonly manifest: Manifest;
}

/** Looks for a usable record and its manifest, here and then among the peers. Asks the origin what the image is now, where there is one. */
export async function findImage(deps: FindDeps, ref: ImageRef, options: FindOptions): Promise<FoundImage> {
  const { catalog, swarm } = deps;
  const { signal, patienceMs, exceptManifests = new Set<ManifestId>() } = options;
  const { described, error } = options.described
    ? { described: options.described, error: undefined }
    : await describe(deps, ref, signal);
  const judge = createJudge(deps, { ref, described, expectedHash: options.expectedHash, exceptManifests });
  const finish = (found: FoundManifest | undefined): FoundImage => ({
    found,
    described,
    reason: found ? undefined : reasonFor(ref, judge.lastChoice, error),
  });
  const withManifest = (candidates: readonly Candidate[]): Promise<FoundManifest | undefined> =>
    findManifestOf(deps, candidates, signal);

  const here = options.record ? [options.record] : await catalog.findRecords(ref, { signal });
  // What the origin's word makes certain needs no second opinion; without it, a peer may know of a later version.
  const certain = judge
    .choose(here)
    .filter(({ record }) => options.record || (described?.hash && record.hash?.value === described.hash.value));
  const found = certain.length > 0 ? await withManifest(certain) : undefined;
  if (found) return finish(found);
  const ask = async (): Promise<FoundManifest | undefined> => {
    // Size and hash are known to those alone who may read the image: peers that have a private one answer nobody else.
    const { imageBytes, hash = options.expectedHash } = described ?? {};
    const whose = options.domain ?? described?.domain;
    const there = options.record ? [] : await swarm.findRecords(ref, { signal, imageBytes, hash, domain: whose });
    const usable = there.filter(({ domain }) => domain === (options.domain ?? domain));
    return withManifest(judge.choose([...here, ...usable]));
  };
  return finish(await askPatiently(deps, ask, { signal, patienceMs }));
}

interface Judge {
  choose(records: readonly ImageRecord[]): readonly Candidate[];
  readonly lastChoice: Choice;
}

/** chooseRecord, with each refusal logged once however often the peers are asked. */
function createJudge(deps: FindDeps, expectation: Expectation): Judge {
  const logged = new Set<string>();
  let lastChoice: Choice = { candidates: [], refused: [] };
  return {
    choose(records) {
      lastChoice = chooseRecord(records, deps.trust, expectation);
      for (const { record, why } of lastChoice.refused) {
        const publisher = hexOf(record.publisher);
        const key = `${publisher} ${record.manifest} ${why}`;
        if (why === 'excluded' || logged.has(key)) continue;
        logged.add(key);
        deps.logger.warn('record refused', { ref: record.ref, why, manifest: record.manifest, publisher });
      }
      return lastChoice.candidates;
    },
    get lastChoice() {
      return lastChoice;
    },
  };
}

async function findManifestOf(
  { catalog, swarm, logger }: FindDeps,
  candidates: readonly Candidate[],
  signal: AbortSignal | undefined,
): Promise<FoundManifest | undefined> {
  for (const candidate of candidates) {
    const { record } = candidate;
    const manifest =
      (await catalog.findManifest(record.manifest, { signal })) ??
      (await swarm.findManifest(record.manifest, { signal }));
    if (!manifest) continue;
    if (fits(record, manifest)) return { ...candidate, manifest };
    logger.warn('record does not fit its manifest', { ref: record.ref, manifest: manifest.id });
  }
  return undefined;
}

function fits(record: ImageRecord, manifest: Manifest): boolean {
  const sameHash =
    record.hash === undefined || manifest.hash === undefined || record.hash.value === manifest.hash.value;
  return record.imageBytes === manifest.imageBytes && record.domain === manifest.domain && sameHash;
}

/** An origin that fails is no reason to fail while peers have the image: its error is kept for the case that they have not. */
async function describe(
  { origin, logger }: FindDeps,
  ref: ImageRef,
  signal: AbortSignal | undefined,
): Promise<{ readonly described: OriginImage | undefined; readonly error: unknown }> {
  if (!origin) return { described: undefined, error: undefined };
  try {
    return { described: await origin.describe(ref, { signal }), error: undefined };
  } catch (error) {
    if (signal?.aborted) throw error;
    logger.info('the origin does not describe the image', { ref, origin: origin.kind, code: errorCode(error) });
    return { described: undefined, error };
  }
}

function reasonFor(ref: ImageRef, { candidates, refused }: Choice, cause: unknown): ImageError {
  const manifests = candidates.map(({ record }) => record.manifest);
  if (manifests.length > 0) {
    const message = `image ${ref} is known, but nobody who is connected has its manifest: try again when more nodes are up`;
    return new ImageError('IMAGE_UNKNOWN_PARTS', message, { details: { ref, manifests }, cause, canRetry: true });
  }
  const publishers = refused.filter(({ why }) => why === 'untrusted').map(({ record }) => hexOf(record.publisher));
  if (publishers.length > 0) {
    const message =
      `image ${ref} is published only by ${publishers.join(', ')}, whom this node does not trust: ` +
      'trust the publisher, configure an origin that knows the hash of the image, or say which hash to expect';
    return new ImageError('IMAGE_UNTRUSTED', message, { details: { ref, publishers }, cause });
  }
  const stale = refused.filter(({ why }) => why === 'stale').length;
  const known = stale > 0 ? `only an earlier version of image ${ref} is known` : `nobody knows image ${ref}`;
  const origin = cause === undefined ? '' : `, and the origin says: ${messageOf(cause)}`;
  return new ImageError('IMAGE_NOT_FOUND', `${known}${origin}`, {
    details: { ref, staleRecords: stale },
    cause,
    canRetry: true,
  });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
