/** An image as a file under its name: fetched, rebuilt, checked. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { imageRef } from '@quarry/content';
import type { Domain, EncodingChoice, ImageHash, Manifest, ManifestId } from '@quarry/content';
import { fetchImage, rebuildImage } from '@quarry/image';
import type { FetchImageDeps } from '@quarry/image';
import { errorCode, isCodedError } from '@quarry/runtime';
import type { Cancellable, FetchImageReport, FetchImageRequest, Progressing } from '../daemon.ts';
import { DaemonError } from '../daemon-error.ts';
import { parseImageHash } from '../image-hash-text.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { FetchLog } from '../piece-log/piece-log.ts';

export interface FetchToFileDeps extends FetchImageDeps {
  /** The domain of what is ingested here from an origin that does not say whose it is. */
  readonly domain: Domain;
  readonly encoding: EncodingChoice;
  readonly metrics: Metrics;
  /** Connected members now. */
  readonly peers: () => number;
  /** Whether others are to be met: a bootstrap address or mDNS is configured. */
  readonly expectsPeers: boolean;
  readonly peerOfKey: (publicKey: Uint8Array) => string;
  readonly fetchLog?: FetchLog | undefined;
}

/** How often another manifest is tried when an untrusted one turned out to make other bytes. */
const MAX_MANIFESTS = 3;
/** How long a fetch waits for a first peer. */
const MEET_WITHIN_MS = 15_000;

/** @throws DaemonError DAEMON_DESTINATION_EXISTS, DAEMON_BAD_REQUEST; those of fetchImage and rebuildImage; the signal's reason */
export async function fetchToFile(
  deps: FetchToFileDeps,
  request: FetchImageRequest,
  options: Cancellable & Progressing,
): Promise<FetchImageReport> {
  const { clock, fetchLog } = deps;
  const fetch = { image: request.image, via: 'file' } as const;
  const startMs = clock.now();
  fetchLog?.fetchBegan(fetch.image, fetch.via);
  try {
    const report = await fetchAndRebuild(deps, request, options);
    const { bytesBySource } = report;
    fetchLog?.fetchEnded({ ...fetch, durationMs: clock.now() - startMs, isOk: true, bytesBySource });
    return report;
  } catch (error) {
    fetchLog?.fetchEnded({ ...fetch, durationMs: clock.now() - startMs, isOk: false, reason: errorCode(error) });
    throw error;
  }
}

async function fetchAndRebuild(
  deps: FetchToFileDeps,
  request: FetchImageRequest,
  { signal, onProgress }: Cancellable & Progressing,
): Promise<FetchImageReport> {
  const { clock, logger, metrics } = deps;
  const ref = imageRef(request.image);
  const expectedHash = request.expectedHash === undefined ? undefined : parseImageHash(request.expectedHash);
  if (request.overwrite !== true) await refuseExisting(request.destination);
  const startMs = clock.now();
  onProgress?.({ step: 'finding', image: ref, doneBytes: 0, totalBytes: undefined });
  await meetSomebody(deps, signal);
  const exceptManifests = new Set<ManifestId>();
  let mismatch: unknown;
  for (;;) {
    const fetched = await fetchImage(deps, ref, {
      signal,
      expectedHash,
      exceptManifests,
      ingestInto: deps.domain,
      encoding: deps.encoding,
      onProgress: (progress) =>
        onProgress?.({
          step: progress.phase,
          image: ref,
          doneBytes: progress.presentBytes,
          totalBytes: progress.wantedBytes,
        }),
    }).catch((error: unknown) => {
      // that no other manifest is left says less than what was wrong with the last
      throw mismatch !== undefined && signal?.aborted !== true ? mismatch : error;
    });
    const fetchedMs = clock.now();
    const mustMatch =
      fetched.mustMatch ?? expectedHash ?? (request.checkHash === true ? fetched.manifest.hash : undefined);
    if (request.checkHash === true && mustMatch === undefined) {
      throw new DaemonError(
        'DAEMON_BAD_REQUEST',
        `nobody has named a whole-image hash for ${ref}; give one with --expect-hash, or leave --check-hash away (every chunk is checked in any case)`,
      );
    }
    try {
      await rebuild(deps, fetched.manifest, request.destination, mustMatch, request.overwrite === true, {
        signal,
        onProgress,
      });
    } catch (error) {
      const isOthersFault = fetched.mustMatch !== undefined && errorCode(error) === 'IMAGE_HASH_MISMATCH';
      exceptManifests.add(fetched.manifest.id);
      mismatch = error;
      if (!isOthersFault || exceptManifests.size >= MAX_MANIFESTS) throw error;
      logger.warn('a manifest by a publisher who is not trusted makes another image; trying the next', {
        image: ref,
        manifest: fetched.manifest.id,
      });
      continue;
    }
    const { report } = fetched;
    const result: FetchImageReport = {
      image: ref,
      destination: request.destination,
      imageBytes: report.imageBytes,
      // what was in the store before is from this host too
      bytesBySource: { ...report.bytesBySource, local: report.bytesBySource.local + report.presentBytes },
      wireBytesBySource: report.wireBytesBySource,
      duplicateBytes: report.duplicateBytes,
      badChunks: report.badChunks,
      fetchMs: fetchedMs - startMs,
      rebuildMs: clock.now() - fetchedMs,
      isHashChecked: mustMatch !== undefined,
    };
    countFetch(metrics, result);
    logger.info('image fetched', { ...result });
    return result;
  }
}

async function rebuild(
  deps: FetchToFileDeps,
  manifest: Manifest,
  destination: string,
  mustMatch: ImageHash | undefined,
  mayOverwrite: boolean,
  { signal, onProgress }: Cancellable & Progressing,
): Promise<void> {
  await rebuildImage(deps, manifest, destination, {
    signal,
    mayOverwrite,
    expectedHash: mustMatch,
    onProgress: ({ rebuiltBytes, imageBytes }) =>
      onProgress?.({
        step: 'rebuilding',
        image: basename(destination),
        doneBytes: rebuiltBytes,
        totalBytes: imageBytes,
      }),
  });
}

/** A node that has just started knows nobody yet: asked then, nobody would have the image. Who is alone for longer goes on alone. */
async function meetSomebody(deps: FetchToFileDeps, signal: AbortSignal | undefined): Promise<void> {
  const untilMs = deps.clock.now() + (deps.expectsPeers ? MEET_WITHIN_MS : 0);
  while (deps.peers() === 0 && deps.clock.now() < untilMs) await deps.clock.sleep(50, { signal });
}

/** Says what to do in the words of the command line: below this layer nobody knows of flags and peer ids. */
export function explained(error: unknown, peerOfKey: (publicKey: Uint8Array) => string): unknown {
  if (!isCodedError(error) || error.code !== 'IMAGE_UNTRUSTED') return error;
  const { ref, publishers } = error.details;
  const peers = (Array.isArray(publishers) ? publishers : []).map((key) => peerOfKey(Buffer.from(String(key), 'hex')));
  const message = `the image ${String(ref)} is published only by ${peers.join(', ')}, whom this node does not trust; start it with --trust ${peers[0]} if that is your seeder, set an origin that knows the image’s hash, or give the hash with --expect-hash`;
  return new DaemonError('DAEMON_PUBLISHER_UNTRUSTED', message, { cause: error, details: { image: ref, peers } });
}

async function refuseExisting(destination: string): Promise<void> {
  const exists = await stat(destination).then(
    () => true,
    () => false,
  );
  // rebuild refuses too; said here, nothing is fetched in vain
  if (exists)
    throw new DaemonError('DAEMON_DESTINATION_EXISTS', `${destination} exists; --overwrite replaces it`, {
      details: { destination },
    });
}

function countFetch(metrics: Metrics, report: FetchImageReport): void {
  metrics.count('quarry_fetches_total', 1, { result: 'ok' });
  metrics.observe('quarry_fetch_seconds', (report.fetchMs + report.rebuildMs) / 1000);
  for (const [source, bytes] of Object.entries(report.bytesBySource))
    metrics.count('quarry_fetched_bytes_total', bytes, { source });
  metrics.count('quarry_duplicate_bytes_total', report.duplicateBytes);
  metrics.count('quarry_bad_chunks_total', report.badChunks);
}
