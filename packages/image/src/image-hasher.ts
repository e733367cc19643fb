import type { ImageHash } from '@quarry/content';
import { imageDefaults } from './options.ts';
import { startThread } from './threads/start-thread.ts';

/**
 * A whole-image hash on a thread of its own: SHA-512 runs at 300 to 660 MB/s, the slowest step there is, and would stop everything else.
 * Bytes are copied out before `update` resolves; it resolves as soon as the thread is not too far behind. One call at a time, in order.
 */
export interface ImageHasher {
  update(bytes: Uint8Array): Promise<void>;
  /** As many zero bytes, without sending them. */
  updateZeros(count: number): Promise<void>;
  /** Ends the thread. */
  finish(): Promise<ImageHash>;
  /** Ends the thread without a result; idempotent, does nothing after `finish`. */
  discard(): Promise<void>;
}

const MAX_ZEROS_PER_MESSAGE = 64 * 1024 * 1024;

type Reply = { readonly buffer: ArrayBuffer | undefined } | { readonly digest: string };

export function createImageHasher(algorithm: ImageHash['algorithm']): ImageHasher {
  const worker = startThread('hash-worker', { algorithm });
  const free: ArrayBuffer[] = [];
  let underWay = 0;
  let digest: string | undefined;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  worker.on('message', (reply: Reply) => {
    if ('digest' in reply) digest = reply.digest;
    else {
      underWay -= 1;
      if (reply.buffer) free.push(reply.buffer);
    }
    wake?.();
  });
  worker.on('error', (error) => {
    failure = { error };
    wake?.();
  });
  worker.on('exit', () => {
    failure ??= { error: new Error('the hashing thread has ended') };
    wake?.();
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      if (failure) throw failure.error;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const room = (): Promise<void> => until(() => underWay < imageDefaults.maxUnhashedBlocks);
  return {
    async update(bytes) {
      for (let at = 0; at < bytes.length; at += imageDefaults.hashBlockBytes) {
        await room();
        const part = bytes.subarray(at, at + imageDefaults.hashBlockBytes);
        const buffer = free.pop() ?? new ArrayBuffer(imageDefaults.hashBlockBytes);
        new Uint8Array(buffer).set(part);
        underWay += 1;
        worker.postMessage({ bytes: buffer, length: part.length }, [buffer]);
      }
    },
    async updateZeros(count) {
      for (let rest = count; rest > 0; rest -= MAX_ZEROS_PER_MESSAGE) {
        await room();
        underWay += 1;
        worker.postMessage({ zeros: Math.min(rest, MAX_ZEROS_PER_MESSAGE) });
      }
    },
    async finish() {
      worker.postMessage({ finish: true });
      await until(() => digest !== undefined);
      await worker.terminate();
      return { algorithm, value: digest ?? '' };
    },
    async discard() {
      await worker.terminate();
    },
  };
}
