import { publicDomain } from '@quarry/content';
import type { Domain } from '@quarry/content';
import { createSourcePool, digestImage } from '@quarry/image';
import type { Compute, DigestedBatch } from '@quarry/image';
import { createRateLimit, createSemaphore, errorCode, shuffled } from '@quarry/runtime';
import type { Clock, Random, RateLimit } from '@quarry/runtime';
import { codesOf } from '../error-codes.ts';
import type { Progressing } from '../daemon.ts';
import { createChunkList } from './chunk-list.ts';
import type { ChunkList } from './chunk-list.ts';
import { createCompressionSample } from './compression-sample.ts';
import { createDigestTable } from './digest-table.ts';
import { scanDefaults } from './options.ts';
import { createScanTally } from './scan-tally.ts';
import type { ScanResult } from './scan-tally.ts';
import type { ScanSource } from './scan-source.ts';

export interface ScanDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly compute: Compute;
}

export interface ScanOptions extends Progressing {
  /** Whose an image is where its origin does not say. */
  readonly domain: Domain;
  /** Part of the images to read, each whole; above 0, at most 1. */
  readonly sample?: number;
  readonly memoryBytes?: number;
  readonly concurrent?: number;
  readonly bytesPerSecond?: number;
  /** What was read whole by then is the answer; an image that was not is left out. */
  readonly signal?: AbortSignal;
}

export interface ScanFailure {
  readonly image: string;
  readonly code: string;
  readonly message: string;
}

/**
 * Reads images and counts what Quarry would find in them. The order is a random one, so that those read by the time that it is stopped are a fair sample.
 * Images that cannot be read are listed and left out; a token that is refused ends it. Rejects only where nothing could be read, with the first error.
 */
export async function scanImages(
  deps: ScanDeps,
  sources: readonly ScanSource[],
  options: ScanOptions,
): Promise<ScanResult> {
  const { clock, random, compute } = deps;
  const { sample = 1, memoryBytes = scanDefaults.memoryBytes, concurrent = scanDefaults.concurrent } = options;
  const chosen = shuffled(sources, random).slice(0, Math.ceil(sources.length * sample));
  const domains = new Map<string, number>([[publicDomain, 0]]);
  const domainOf = chosen.map(({ image }) => {
    const name = image.domain ?? options.domain;
    return domains.get(name) ?? domains.set(name, domains.size).size - 1;
  });
  const table = createDigestTable({
    maxBytes: (memoryBytes * 3) / 4,
    domainOf: (image) => domainOf[image] ?? 0,
  });
  const listBytes = memoryBytes / 4 / (2 * concurrent);
  const compression = createCompressionSample(compute, scanDefaults);
  const tally = createScanTally(table, {
    images: chosen.map(({ image }, i) => ({ image, domain: [...domains.keys()][domainOf[i] ?? 0] ?? publicDomain })),
    all: sources.map(({ image }) => image),
    compression,
  });
  const limit = createRateLimit(clock, options.bytesPerSecond ?? Infinity);
  const totalBytes = chosen.reduce((sum, { image }) => sum + image.imageBytes, 0);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const failures: ScanFailure[] = [];
  let firstError: unknown;
  let readBytes = 0;
  const startedAtMs = clock.now();

  const scanOne = async ({ origin, image }: ScanSource, number: number): Promise<void> => {
    const list = createChunkList(table, listBytes);
    const found = { zeroBytes: 0, zeroChunks: 0, chunks: 0 };
    try {
      const pool = createSourcePool();
      const bytes = throttled(origin.open(image, { signal, pool }), limit, signal);
      const source = { ref: image.ref, bytes, pool, imageBytes: image.imageBytes };
      const { cutter } = await digestImage(
        { compute },
        source,
        async (batch) => {
          readBytes += collect(batch, list, found);
          await compression.offer(batch);
          options.onProgress?.({ step: 'scanning', image: image.name, doneBytes: readBytes, totalBytes });
        },
        { signal },
      );
      tally.add(number, { ...found, cutter, list });
    } catch (error) {
      if (signal.aborted) return;
      firstError ??= error;
      const message = error instanceof Error ? error.message : String(error);
      failures.push({ image: image.ref, code: errorCode(error) ?? 'INTERNAL', message });
      // it would say the same of every image that is left
      if (codesOf(error).includes('ORIGIN_UNAUTHORIZED')) stop.abort(error);
    }
  };
  const places = createSemaphore(concurrent);
  const all = chosen.map((source, number) => places.run(() => scanOne(source, number), { signal }).catch(() => {}));
  // while all wait for the rate nothing else keeps the process
  const over = new AbortController();
  clock.sleep(Infinity, { signal: over.signal }).catch(() => {});
  await Promise.all(all);
  over.abort();
  if (tally.images === 0) {
    options.signal?.throwIfAborted();
    if (firstError !== undefined) throw firstError;
  }
  return tally.finish({ failures, chosen: chosen.length, seconds: (clock.now() - startedAtMs) / 1000 });
}

/** @returns the bytes of the batch */
function collect(
  { chunks, digests }: DigestedBatch,
  list: ChunkList,
  found: { zeroBytes: number; zeroChunks: number; chunks: number },
): number {
  const view = new DataView(digests.buffer, digests.byteOffset, digests.byteLength);
  let bytes = 0;
  for (const [i, chunk] of chunks.entries()) {
    bytes += chunk.length;
    const [high, low] = [view.getUint32(32 * i), view.getUint32(32 * i + 4)];
    if (high === 0 && low === 0 && view.getUint32(32 * i + 8) === 0 && view.getUint32(32 * i + 12) === 0) {
      found.zeroBytes += chunk.length;
      found.zeroChunks += 1;
    } else {
      found.chunks += 1;
      list.add(high, low, chunk.length);
    }
  }
  return bytes;
}

async function* throttled(
  source: AsyncIterable<Uint8Array>,
  limit: RateLimit,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const buffer of source) {
    for (let left = buffer.length; left > 0; ) {
      const slice = limit.slice(left);
      await limit.take(slice, { signal });
      left -= slice;
    }
    yield buffer;
  }
}
