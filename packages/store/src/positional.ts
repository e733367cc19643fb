import type { FileHandle } from 'node:fs/promises';

// A system call may do less than it was asked: these do all of it, or say how much.

/** Fills `into` from `position`; returns fewer bytes than its length only at the end of the file. */
export async function readFully(handle: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/**
 * From 512 KiB on the kernel takes folios so large that a virtual machine has to get them from its host: 1 MiB at a time costs much more
 * (ext4, Linux 6.18).
 */
const WRITE_BYTES = 448 * 1024;

export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(WRITE_BYTES, bytes.length - done);
    const { bytesWritten } = await handle.write(bytes, done, length, position + done);
    done += bytesWritten;
  }
}

/** The buffers one after another, in one call where the kernel takes them all. */
export async function writeAllFully(
  handle: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  const expected = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
  if (expected === 0) return;
  // 1,024 buffers is the kernel's limit for one call (IOV_MAX).
  if (buffers.length <= 1024) {
    const { bytesWritten } = await handle.writev(buffers, position);
    if (bytesWritten === expected) return;
  }
  await writeFully(handle, Buffer.concat(buffers), position);
}
