/**
 * Gives the memory of bytes back at once. The garbage collector sees a small object where there is a megabyte, and with several threads that
 * compress a hundred of them wait for it at a time. Only for bytes that nobody else has, in a buffer of their own; others are left alone.
 */
export function freeBytes({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > LARGEST_POOL_BYTES) buffer.transfer(0);
}

/** Node hands out small buffers as parts of one (8 KiB by default). */
const LARGEST_POOL_BYTES = 64 * 1024;
