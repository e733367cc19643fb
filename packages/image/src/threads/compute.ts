import { availableParallelism } from 'node:os';
import { createThreadPool } from '@quarry/runtime';
import type { Clock, ThreadPool } from '@quarry/runtime';
import { ImageError, messageOf } from '../image-error.ts';
import { imageDefaults } from '../options.ts';
import { DIGEST_BYTES, perform } from './compute-tasks.ts';
import type { ComputeReplies, ComputeTask, PieceBytes } from './compute-tasks.ts';
import type { CopyTask, ReadTask } from './copy-chunks.ts';
import type { WriteFailure, WriteTask } from './write-views.ts';
import { startThread } from './start-thread.ts';

/**
 * The work on bytes that an ingest or a rebuild need not do itself: on other threads where bytes lie in shared memory and a thread has started up, on the
 * calling one otherwise, with the same results. Bytes must not change before the call has ended.
 * @throws ImageError IMAGE_THREAD_FAILED
 */
export interface Compute {
  /** The digests of the chunks one after another, 32 bytes each, all zero for a chunk of zeros. */
  digests(chunks: readonly Uint8Array[]): Promise<Uint8Array>;
  /** The numbers of chunks (from 0, in `bytes` one after another) that do not have their digest. */
  badChunks(bytes: Uint8Array, lengths: readonly number[], digests: Uint8Array): Promise<readonly number[]>;
  /** A piece, which is the parts one after another, as a frame, or undefined where that saves too little. */
  encode(parts: readonly Uint8Array[]): Promise<Uint8Array | undefined>;
  /** A frame's bytes as several pieces, each as it is best kept. */
  encodeAgain(frame: Uint8Array, pieceBytes: readonly number[]): Promise<readonly PieceBytes[]>;
  /** Whether a thread runs. */
  readonly isThreaded: boolean;
  /** Shared bytes into a file, one after another. Only where `isThreaded`: it waits for the disk. Rejects with the system's error. */
  write(task: Omit<WriteTask, 'kind'>): Promise<void>;
  /** Undefined where no thread runs (it begins one): copying waits for disks, which the calling thread must not. */
  copy(task: Omit<CopyTask, 'kind'>): Promise<boolean | undefined>;
  /** Likewise, into shared memory. */
  read(task: Omit<ReadTask, 'kind'>): Promise<boolean | undefined>;
  /** Begins the first thread now; resolves when it runs, or when none can. */
  warmUp(): Promise<void>;
  /** Ends the threads. */
  close(): Promise<void>;
}

export interface ComputeOptions {
  /** 0: everything on the calling thread. Default: as many as there are cores, 4 at most. */
  readonly maxThreads?: number | undefined;
  /** For one that outlives its operations: ends threads that have had nothing to do for a minute. Default: they end with `close`. */
  readonly clock?: Clock | undefined;
}

/**
 * How many threads an ingest uses by itself. One core is left to the calling thread, which has as much to do as a thread that hashes and writes: on two
 * cores a second such thread cost 0.4 CPU s/GB and made nothing faster. Compressing is another matter.
 */
export function threadsForIngest(encoding: 'off' | 'zstd'): number {
  return encoding === 'off'
    ? Math.max(1, Math.min(availableParallelism() - 1, imageDefaults.maxThreads))
    : defaultThreads();
}

export function createCompute({ maxThreads = defaultThreads(), clock }: ComputeOptions = {}): Compute {
  let inlineBytes = 0;
  const pool: ThreadPool | undefined =
    maxThreads === 0
      ? undefined
      : createThreadPool({
          start: () => startThread('compute-worker'),
          maxThreads,
          diedError,
          idle: clock && { clock, timeoutMs: imageDefaults.threadIdleMs },
        });

  async function run<Kind extends ComputeTask['kind']>(
    task: ComputeTask & { readonly kind: Kind },
  ): Promise<ComputeReplies[Kind]> {
    if (pool?.isReady && isForThreads(task)) return (await pool.run(task)) as ComputeReplies[Kind];
    inlineBytes += bytesOf(task);
    if (inlineBytes >= imageDefaults.threadsFromBytes) void pool?.warmUp();
    return (await perform(task)) as ComputeReplies[Kind];
  }
  return {
    async digests(chunks) {
      const runs = adjacentRuns(chunks).map(({ bytes, lengths }) => run({ kind: 'digest', bytes, lengths }));
      const [only] = runs;
      if (only && runs.length === 1) return only;
      const digests = new Uint8Array(chunks.length * DIGEST_BYTES);
      let at = 0;
      for (const part of await Promise.all(runs)) {
        digests.set(part, at);
        at += part.length;
      }
      return digests;
    },
    badChunks: (bytes, lengths, digests) => run({ kind: 'compare', bytes, lengths, digests }),
    encode: (parts) => run({ kind: 'encode', parts: parts.map(sendable) }),
    encodeAgain: (frame, pieceBytes) => run({ kind: 'encodeAgain', frame: sendable(frame), pieceBytes }),
    get isThreaded() {
      return pool?.isReady ?? false;
    },
    async write(task) {
      const failure = (await pool?.run({ ...task, kind: 'write' }, { goesFirst: true })) as WriteFailure | undefined;
      if (failure) throw Object.assign(new Error(failure.message), { code: failure.code });
    },
    async copy(task) {
      if (pool?.isReady) return (await pool.run({ ...task, kind: 'copy' })) as boolean;
      void pool?.warmUp();
      return undefined;
    },
    async read(task) {
      if (pool?.isReady) return (await pool.run({ ...task, kind: 'read' })) as boolean;
      void pool?.warmUp();
      return undefined;
    },
    warmUp: async () => pool?.warmUp(),
    close: async () => pool?.close(),
  };
}

/** Whether it pays to have it done elsewhere: copying bytes that are not shared takes half as long as hashing them, but nothing beside compressing them. */
function isForThreads(task: ComputeTask): boolean {
  return !('bytes' in task) || task.bytes.buffer instanceof SharedArrayBuffer;
}

/** What is sent is cloned with all of the memory that it is a view of, unless that is shared. */
function sendable(bytes: Uint8Array): Uint8Array {
  const { buffer, byteLength } = bytes;
  return buffer instanceof SharedArrayBuffer || buffer.byteLength === byteLength ? bytes : new Uint8Array(bytes);
}

function bytesOf(task: ComputeTask): number {
  if ('bytes' in task) return task.bytes.length;
  if ('from' in task || 'fd' in task) return 0;
  return 'frame' in task ? task.frame.length : task.parts.reduce((sum, part) => sum + part.length, 0);
}

function defaultThreads(): number {
  return Math.min(availableParallelism(), imageDefaults.maxThreads);
}

function diedError(cause: unknown): ImageError {
  const why = cause === undefined ? 'it was ended' : messageOf(cause);
  return new ImageError('IMAGE_THREAD_FAILED', `a thread that hashes and encodes has died: ${why}; try again`, {
    cause,
    canRetry: true,
  });
}

/** Chunks that lie one after another in one buffer, put together. */
function adjacentRuns(chunks: readonly Uint8Array[]): { bytes: Uint8Array; readonly lengths: number[] }[] {
  const runs: { bytes: Uint8Array; readonly lengths: number[] }[] = [];
  for (const chunk of chunks) {
    const last = runs.at(-1);
    const { buffer, byteOffset, byteLength } = chunk;
    if (last && last.bytes.buffer === buffer && last.bytes.byteOffset + last.bytes.byteLength === byteOffset) {
      last.bytes = new Uint8Array(buffer, last.bytes.byteOffset, last.bytes.byteLength + byteLength);
      last.lengths.push(byteLength);
    } else runs.push({ bytes: chunk, lengths: [byteLength] });
  }
  return runs;
}
