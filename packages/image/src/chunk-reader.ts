import { addChunk, chunkDigest, chunkLength, createChunkSet, digestEquals, digestOf, hasChunk } from '@quarry/content';
import type { PackDescriptor, PackStore, PackWant, PieceSource, Swarm } from '@quarry/content';
import type { Logger } from '@quarry/runtime';
import { errorCode } from '@quarry/runtime';
import { ImageError, messageOf, storeFailure } from './image-error.ts';
import type { ImageStep, StepPart } from './image-steps.ts';

/** Chunks of a part that cannot be used as they are. */
interface Problem {
  readonly kind: 'bad' | 'absent';
  /** Empty if what was absent has arrived in the meantime. */
  readonly chunks: readonly number[];
}

export interface ChunkReaderDeps {
  readonly store: PackStore;
  /** Where a chunk that turns out bad or absent is fetched anew; without it, that is an error. */
  readonly swarm?: Pick<Swarm, 'fetch'> | undefined;
  readonly lastResort?: PieceSource | undefined;
  readonly logger: Logger;
}

/** Reads steps of an image out of the store and hashes every chunk: what comes out is right, whatever lies on the disk. */
export interface ChunkReader {
  /**
   * Fills `into` (exactly step.length bytes).
   * @throws ImageError IMAGE_CHUNK_BAD or IMAGE_CHUNKS_ABSENT naming the chunk, if it could not be fetched anew
   */
  read(step: ImageStep, into: Uint8Array): Promise<void>;
  /** Chunks that were fetched anew so far. */
  readonly healedChunks: number;
}

export function createChunkReader(
  deps: ChunkReaderDeps,
  options: { readonly signal?: AbortSignal | undefined } = {},
): ChunkReader {
  const { store, swarm, logger } = deps;
  const { signal } = options;
  let healedChunks = 0;

  const readPart = async (part: StepPart, into: Uint8Array): Promise<Problem | undefined> => {
    const { descriptor, firstChunk, count } = part;
    try {
      await store.readChunks(descriptor.id, firstChunk, count, { into, signal });
    } catch (error) {
      if (errorCode(error) !== 'STORE_CHUNK_ABSENT') {
        throw storeFailure(`chunks of pack ${descriptor.id} were read`, error, signal);
      }
      const present = store.present(descriptor.id);
      return { kind: 'absent', chunks: numbersOf(part).filter((chunk) => !present || !hasChunk(present, chunk)) };
    }
    const bad = badChunks(part, into);
    return bad.length > 0 ? { kind: 'bad', chunks: bad } : undefined;
  };
  const heal = async (descriptor: PackDescriptor, chunks: readonly number[], problem: Problem): Promise<void> => {
    const wanted = createChunkSet(descriptor.chunkCount);
    for (const chunk of chunks) addChunk(wanted, chunk);
    if (problem.kind === 'bad') {
      logger.warn('bad chunks in the store', { pack: descriptor.id, chunks });
      await store.dropChunks(descriptor.id, wanted, { signal }).catch((error: unknown) => {
        throw storeFailure('bad chunks were dropped', error, signal);
      });
    }
    if (!swarm) throw unhealed(descriptor, chunks, problem, undefined);
    const wants: readonly PackWant[] = [{ pack: descriptor.id, chunks: wanted }];
    await swarm.fetch(wants, { signal, lastResort: deps.lastResort }).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      throw unhealed(descriptor, chunks, problem, error);
    });
    healedChunks += chunks.length;
  };
  /** Each chunk is fetched anew once only: a second bad copy means that something is broken here, not there. */
  const readWhole = async (part: StepPart, into: Uint8Array): Promise<void> => {
    const healed = new Set<number>();
    for (let problem = await readPart(part, into); problem; problem = await readPart(part, into)) {
      const again = problem.chunks.filter((chunk) => healed.has(chunk));
      if (again.length > 0) throw unhealed(part.descriptor, again, problem, undefined);
      for (const chunk of problem.chunks) healed.add(chunk);
      if (problem.chunks.length > 0) await heal(part.descriptor, problem.chunks, problem);
    }
  };
  return {
    async read(step, into) {
      const [only] = step.parts;
      if (only && step.parts.length === 1) return readWhole(only, into);
      // All of them are waited for, also after a failure: nobody may write into a buffer that was given back.
      const results = await Promise.allSettled(
        step.parts.map((part) => readWhole(part, into.subarray(part.at, part.at + part.length))),
      );
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
    get healedChunks() {
      return healedChunks;
    },
  };
}

/** Hashes each chunk of `bytes`; the numbers of those that do not have their digest. */
export function badChunks(part: StepPart, bytes: Uint8Array): number[] {
  const { descriptor, firstChunk, count } = part;
  const bad: number[] = [];
  let at = 0;
  for (let chunk = firstChunk; chunk < firstChunk + count; chunk += 1) {
    const length = chunkLength(descriptor, chunk);
    if (!digestEquals(digestOf(bytes.subarray(at, at + length)), chunkDigest(descriptor, chunk))) bad.push(chunk);
    at += length;
  }
  return bad;
}

function numbersOf(part: StepPart): number[] {
  return Array.from({ length: part.count }, (_, i) => part.firstChunk + i);
}

function unhealed(descriptor: PackDescriptor, chunks: readonly number[], problem: Problem, cause: unknown): ImageError {
  const numbers = `${chunks.slice(0, 8).join(', ')}${chunks.length > 8 ? ', …' : ''}`;
  const which = `${chunks.length === 1 ? 'chunk' : 'chunks'} ${numbers} of pack ${descriptor.id}`;
  const advice = cause === undefined ? 'fetch the image again' : `fetching anew failed: ${messageOf(cause)}`;
  const options = { details: { pack: descriptor.id, chunks }, cause, canRetry: true };
  return problem.kind === 'absent'
    ? new ImageError('IMAGE_CHUNKS_ABSENT', `not in the store: ${which}; ${advice}`, options)
    : new ImageError('IMAGE_CHUNK_BAD', `in the store, but not with the right digest: ${which}; ${advice}`, options);
}
