import { isEmpty, minus } from '@quarry/content';
import type {
  ChunkSet,
  FetchProgress,
  Manifest,
  Origin,
  OriginImage,
  PackDescriptor,
  PackId,
  PackStore,
  PackWant,
  PieceSource,
  SourceKind,
  Swarm,
} from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { copyLocal } from './copy-local.ts';
import { fillFromStream } from './fill-from-stream.ts';
import { ImageError, messageOf } from './image-error.ts';
import { originPieceSource } from './origin-piece-source.ts';
import { bytesOf, planFetch, withWants } from './plan-fetch.ts';
import type { FetchPlan } from './plan-fetch.ts';

export interface ChunkFetchDeps {
  readonly store: PackStore;
  readonly swarm: Swarm;
  readonly origin?: Origin | undefined;
  readonly logger: Logger;
}

export interface ImageParts {
  readonly manifest: Manifest;
  readonly needs: ReadonlyMap<PackId, ChunkSet>;
  readonly descriptorOf: (pack: PackId) => PackDescriptor;
  readonly described: OriginImage | undefined;
}

/** `wantedBytes` = `presentBytes` + the sum of `bytesBySource`: plain bytes of chunks, each counted once, zeros never. */
export interface ChunkFetchReport {
  readonly wantedBytes: number;
  /** Here before. */
  readonly presentBytes: number;
  /** `local`: copied from other packs of this host. */
  readonly bytesBySource: Readonly<Record<SourceKind, number>>;
  /** Of these what crossed a link, as it did: encoded, where the pieces were. */
  readonly wireBytesBySource: Readonly<Record<SourceKind, number>>;
  /** Bytes that arrived and were here already. */
  readonly duplicateBytes: number;
  readonly badChunks: number;
}

export interface ChunkFetchProgress {
  readonly wantedBytes: number;
  /** Of those, present now. */
  readonly presentBytes: number;
  /** What was brought so far. */
  readonly bytesBySource: Readonly<Record<SourceKind, number>>;
}

/** Brings the needed chunks into the store: copies first, then the swarm with the origin behind it, then the origin's whole stream if nothing else is left. */
export async function fetchChunks(
  deps: ChunkFetchDeps,
  parts: ImageParts,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((progress: ChunkFetchProgress) => void) | undefined;
  },
): Promise<ChunkFetchReport> {
  const { signal } = options;
  const { descriptorOf } = parts;
  const plan = await planFetch(deps, parts.needs, descriptorOf, { signal });
  const bytesBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  let wireBytesBySource: Readonly<Record<SourceKind, number>> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  let badChunks = 0;
  let duplicateBytes = 0;
  const tell = (fetched: Readonly<Record<SourceKind, number>> = bytesBySource): void => {
    const { local, peer, seeder, origin } = fetched;
    options.onProgress?.({
      wantedBytes: plan.wantedBytes,
      presentBytes: plan.presentBytes + local + peer + seeder + origin,
      bytesBySource: { local, peer, seeder, origin },
    });
  };
  tell();
  const onCopied = (bytes: number): void => {
    bytesBySource.local += bytes;
    tell();
  };
  const wants = await copyAll(deps, plan, descriptorOf, { signal, onCopied });
  if (wants.length > 0) {
    let arrived = bytesBySource;
    const onProgress = (progress: FetchProgress): void => {
      arrived = added(bytesBySource, progress.bytesBySource);
      ({ wireBytesBySource } = progress);
      tell(arrived);
    };
    try {
      const report = await deps.swarm.fetch(wants, { signal, onProgress, lastResort: lastResortOf(deps, parts) });
      arrived = added(bytesBySource, report.bytesBySource);
      ({ badChunks, duplicateBytes, wireBytesBySource } = report);
    } catch (error) {
      if (errorCode(error) !== 'SWARM_NO_SOURCE') throw error;
      const left = stillWanted(deps.store, wants);
      const filled = await fillFromOrigin(deps, parts, left, error, signal);
      const fromOrigin = { local: 0, peer: 0, seeder: 0, origin: filled };
      arrived = added(arrived, fromOrigin);
      wireBytesBySource = added(wireBytesBySource, fromOrigin);
    }
    Object.assign(bytesBySource, arrived);
    tell();
  }
  const { wantedBytes, presentBytes } = plan;
  return { wantedBytes, presentBytes, bytesBySource, wireBytesBySource, badChunks, duplicateBytes };
}

/** The wants that are left when everything has been copied that could be. */
async function copyAll(
  deps: ChunkFetchDeps,
  plan: FetchPlan,
  descriptorOf: (pack: PackId) => PackDescriptor,
  options: { readonly signal: AbortSignal | undefined; readonly onCopied: (bytes: number) => void },
): Promise<readonly PackWant[]> {
  const sources = new Set(plan.copies.flatMap(({ copies }) => copies.map(({ from }) => from.pack)));
  const lease = deps.store.lease(sources);
  try {
    let { wants } = plan;
    for (const copies of plan.copies) {
      const descriptor = descriptorOf(copies.pack);
      const { failedChunks } = await copyLocal(deps, descriptor, copies, options);
      wants = withWants(wants, copies.pack, descriptor.chunkCount, failedChunks);
    }
    return wants;
  } finally {
    lease.release();
  }
}

function lastResortOf(
  { origin }: ChunkFetchDeps,
  { described, manifest, descriptorOf }: ImageParts,
): PieceSource | undefined {
  return origin && described ? originPieceSource(origin, described, manifest, descriptorOf) : undefined;
}

async function fillFromOrigin(
  { store, origin, logger }: ChunkFetchDeps,
  { described, manifest, descriptorOf }: ImageParts,
  wants: readonly PackWant[],
  cause: unknown,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (wants.length === 0) return 0; // the last chunks have come by another way
  if (!origin || !described || origin.canRange(described)) {
    const bytes = wants.reduce((sum, { pack, chunks }) => sum + bytesOf(descriptorOf(pack), chunks), 0);
    const message = `${bytes} bytes of the image are to be had from nobody: ${messageOf(cause)}`;
    const packs = wants.map(({ pack }) => pack);
    throw new ImageError('IMAGE_CHUNKS_ABSENT', message, {
      details: { manifest: manifest.id, packs, bytes },
      cause,
      canRetry: true,
    });
  }
  logger.warn('the whole image is read from an origin without ranges', { ref: described.ref, origin: origin.kind });
  return fillFromStream({ store }, manifest, descriptorOf, wants, origin.open(described, { signal }), { signal });
}

function stillWanted(store: PackStore, wants: readonly PackWant[]): PackWant[] {
  return wants
    .map(({ pack, chunks }) => {
      const present = store.present(pack);
      return { pack, chunks: present ? minus(chunks, present) : chunks };
    })
    .filter(({ chunks }) => !isEmpty(chunks));
}

function added(
  a: Readonly<Record<SourceKind, number>>,
  b: Readonly<Record<SourceKind, number>>,
): Record<SourceKind, number> {
  return { local: a.local + b.local, peer: a.peer + b.peer, seeder: a.seeder + b.seeder, origin: a.origin + b.origin };
}
