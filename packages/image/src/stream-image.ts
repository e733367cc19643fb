import type {
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
import { addRun, createChunkSet, isEmpty, minus } from '@quarry/content';
import type { ChunkSet, ImageCatalog } from '@quarry/content';
import type { Clock, Logger, Random } from '@quarry/runtime';
import { createArrivals } from './arrivals.ts';
import { createDescriptorCache } from './descriptor-cache.ts';
import { fetchChunks } from './fetch-chunks.ts';
import type { FoundManifest } from './find-image.ts';
import { getDescriptors } from './get-descriptors.ts';
import { storeFailure } from './image-error.ts';
import type { ImageRange } from './image-range.ts';
import { imageSteps } from './image-steps.ts';
import type { ImageStep } from './image-steps.ts';
import { imageDefaults } from './options.ts';
import { originPieceSource } from './origin-piece-source.ts';
import { isAllPresent, packsIn, rangeNeeds } from './range-needs.ts';
import { readFromOrigin } from './read-from-origin.ts';
import { createStepLoader } from './step-loader.ts';
import type { Compute } from './threads/compute.ts';
import { streamedSteps } from './streamed-steps.ts';

export interface StreamDeps {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly swarm: Swarm;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly compute?: Pick<Compute, 'read'> | undefined;
}

export interface StreamOptions {
  readonly range: ImageRange;
  readonly source: { readonly origin: Origin; readonly described: OriginImage } | undefined;
  readonly patienceMs: number;
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called as chunks arrive, in whatever order. */
  readonly onProgress: (() => void) | undefined;
}

export interface ImageStream {
  /** Nothing happens before the first is asked for. */
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
  report(): Readonly<Record<SourceKind, number>>;
  recycle(bytes: Uint8Array): void;
  /** Ends what is under way; the stream then ends with an error. */
  stop(): void;
}

const zeros = new Uint8Array(imageDefaults.stepBytes);

/** A range of an image whose manifest is known: what is missing is fetched while what is here is read. */
export function streamImage(deps: StreamDeps, found: FoundManifest, options: StreamOptions): ImageStream {
  const { store, swarm, clock, logger } = deps;
  const { manifest } = found;
  const { range, source, stallMs } = options;
  const stopping = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stopping.signal]) : stopping.signal;
  const stop = (): void => stopping.abort(new Error('the reader has left'));
  const kept = new Set<Promise<void>>();
  let fetched: Readonly<Record<SourceKind, number>> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  let rescuedBytes = 0;
  let sentBytes = 0;
  let lastResort: PieceSource | undefined;
  const reading = {
    compute: deps.compute,
    store,
    swarm,
    logger,
    get lastResort() {
      return lastResort;
    },
  };
  const loader = createStepLoader(reading, { signal });

  const rescue = async (step: ImageStep): Promise<Uint8Array> => {
    if (!source) throw new TypeError('there is no origin');
    const bytes = new Uint8Array(step.length);
    const pieces = await readFromOrigin(source.origin, source.described, step, bytes, { signal });
    rescuedBytes += step.length;
    const keeping = Promise.allSettled(pieces.map((piece) => store.writePiece(piece))).then(() => {
      kept.delete(keeping); // a full disk is no reason to stop
    });
    kept.add(keeping);
    return bytes;
  };
  /** Asks for what is waited for as a fetch of its own: of several fetches the swarm serves the one first that misses least. */
  let isHurrying = false;
  const hurry = (steps: readonly ImageStep[]): void => {
    const wants = missingOf(store, steps);
    if (isHurrying || wants.length === 0) return;
    isHurrying = true;
    const hurrying = swarm.fetch(wants, { signal, lastResort }).then(
      () => {},
      () => {}, // the fetch of the whole says what is wrong
    );
    const ended = hurrying.then(() => {
      isHurrying = false;
      kept.delete(ended);
    });
    kept.add(ended);
  };
  const prepareFetch = async (): Promise<() => Promise<unknown>> => {
    const needed = { ...manifest, packs: packsIn(manifest, range) };
    const descriptors = await getDescriptors(deps, needed, { patienceMs: options.patienceMs, signal });
    const descriptorOf = (pack: PackId): PackDescriptor => descriptors.get(pack) as PackDescriptor;
    const needs = await rangeNeeds(manifest, descriptorOf, range);
    try {
      await deps.catalog.putManifest(manifest, { signal });
      await deps.catalog.putRecord(found.record, { signal });
      for (const descriptor of descriptors.values()) await store.addPack(descriptor, { signal });
    } catch (error) {
      throw storeFailure(`the parts of image ${found.record.ref} were noted`, error, signal);
    }
    const parts = { manifest: needed, needs, descriptorOf, described: source?.described };
    lastResort = source && originPieceSource(source.origin, source.described, needed, descriptorOf);
    const onProgress = (progress: { readonly bytesBySource: typeof fetched }): void => {
      fetched = progress.bytesBySource;
      options.onProgress?.();
    };
    return () => fetchChunks({ store, swarm, logger, origin: source?.origin }, parts, { signal, onProgress });
  };

  async function* iterate(): AsyncGenerator<Uint8Array, void, undefined> {
    const lease = store.lease(manifest.packs);
    const arrivals = createArrivals(store, new Set(manifest.packs));
    const onAbort = (): void => arrivals.end(signal.reason);
    let fetching: Promise<void> = Promise.resolve();
    try {
      signal.throwIfAborted();
      signal.addEventListener('abort', onAbort, { once: true });
      if (!isAllPresent(store, manifest, range)) {
        const begin = await prepareFetch();
        fetching = begin().then(
          () => {},
          (error: unknown) => arrivals.end(error),
        );
      }
      const descriptors = createDescriptorCache({ store }, manifest, { signal });
      const steps = imageSteps(manifest, descriptors, { maxBytes: imageDefaults.stepBytes, ...range });
      const load = (step: ImageStep): Promise<Uint8Array> => loader.load(step);
      const streaming = { clock, arrivals, load, rescue: source && rescue, hurry, stop };
      for await (const step of streamedSteps(streaming, steps, { stallMs, signal })) {
        const first = Math.max(range.from, step.offset) - step.offset;
        const last = Math.min(range.to, step.offset + step.length) - step.offset;
        for (let at = first; at < last; ) {
          const bytes = step.bytes?.subarray(at, last) ?? zeros.subarray(0, Math.min(zeros.length, last - at));
          at += bytes.length;
          sentBytes += bytes.length;
          yield bytes;
        }
      }
    } finally {
      stop();
      signal.removeEventListener('abort', onAbort);
      arrivals.stop();
      await Promise.allSettled([fetching, ...kept]);
      lease.release();
    }
  }
  return {
    bytes: iterate(),
    report() {
      const { peer, seeder } = fetched;
      const origin = fetched.origin + rescuedBytes;
      return { local: Math.max(0, sentBytes - peer - seeder - origin), peer, seeder, origin };
    },
    recycle: (bytes) => loader.recycle(bytes),
    stop,
  };
}

/** The chunks of the steps that are not here. */
function missingOf(store: Pick<PackStore, 'present'>, steps: readonly ImageStep[]): PackWant[] {
  const needs = new Map<PackId, ChunkSet>();
  for (const { parts } of steps) {
    for (const { descriptor, firstChunk, count } of parts) {
      const set = needs.get(descriptor.id) ?? createChunkSet(descriptor.chunkCount);
      addRun(set, firstChunk, count);
      needs.set(descriptor.id, set);
    }
  }
  return [...needs].flatMap(([pack, chunks]) => {
    const present = store.present(pack);
    const missing = present ? minus(chunks, present) : chunks;
    return isEmpty(missing) ? [] : [{ pack, chunks: missing }];
  });
}
