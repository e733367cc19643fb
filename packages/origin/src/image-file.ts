import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { OriginImage } from '@quarry/content';
import { errorCode, type BufferPool } from '@quarry/runtime';
import type { ByteRange } from './byte-range.ts';
import type { Call } from './call-scope.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';

export interface ImageFileState {
  readonly imageBytes: number;
  /** Changes with the content, as far as the file system tells: inode, size and time of the last write. */
  readonly version: string;
}

export interface ImageFile extends ImageFileState {
  readonly handle: FileHandle;
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO', 'EISDIR']);

/**
 * Opens a regular file that lies directly in `directory`. `name` is one that has no separator in it. A symbolic link may only lead to
 * another file of the same directory: one that leads out would let whoever can write there hand out any file of this host.
 * @throws OriginError ORIGIN_NOT_FOUND, ORIGIN_FORBIDDEN, ORIGIN_UNAVAILABLE
 */
export async function openImageFile(directory: string, name: string, call: Call): Promise<ImageFile> {
  const details = { directory, name };
  const what = join(directory, name);
  let root: string;
  try {
    root = await call.wait(realpath(directory), what);
  } catch (cause) {
    if (errorCode(cause) !== 'ENOENT') throw fileError(cause, directory, details);
    // Not the image is missing, but the place where all of them are: a file system that is not mounted comes back.
    const message = `the directory ${directory} is not there: is it mounted?`;
    throw new OriginError('ORIGIN_UNAVAILABLE', message, { details, cause, canRetry: true });
  }
  let handle: FileHandle | undefined;
  try {
    const path = await call.wait(realpath(join(root, name)), what);
    if (dirname(path) !== root) {
      throw new OriginError(
        'ORIGIN_NOT_FOUND',
        `${what} is a link that leads out of the directory; put the file there`,
        { details },
      );
    }
    // O_NONBLOCK: a FIFO would hold us until somebody writes to it.
    const opening = open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    handle = await call.wait(opening, what).catch((error: unknown) => {
      opening.then((late) => late.close()).catch(() => {}); // nobody waits for it any more
      throw error;
    });
    const state = await stateOf(handle, what, call);
    return { handle, ...state };
  } catch (cause) {
    await handle?.close();
    throw call.signal.aborted ? call.signal.reason : fileError(cause, what, details);
  }
}

/** Reads a range, into buffers of `pool` where there is one, and closes the file. @throws OriginError ORIGIN_CHANGED, ORIGIN_TRUNCATED, ORIGIN_STALLED, ORIGIN_UNAVAILABLE */
export async function* readImageFile(
  { handle, imageBytes, version }: ImageFile,
  image: OriginImage,
  { offset, length }: ByteRange,
  call: Call,
  pool?: BufferPool,
): AsyncGenerator<Uint8Array, void, undefined> {
  const what = `reading image ${image.ref}`;
  const details = { ref: image.ref, imageBytes };
  const end = offset + length;
  let pending: Promise<unknown> | undefined;
  try {
    for (let at = offset; at < end; ) {
      call.signal.throwIfAborted();
      const buffer = pool?.take() ?? Buffer.allocUnsafeSlow(Math.min(originDefaults.fileBufferBytes, end - at));
      const reading = handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
      pending = reading;
      const { bytesRead } = await call.wait(reading, what);
      pending = undefined;
      if (bytesRead === 0) {
        throw new OriginError(
          'ORIGIN_TRUNCATED',
          `${what}: the file ended at ${at} of ${imageBytes} bytes while it was read`,
          {
            details: { ...details, at },
          },
        );
      }
      at += bytesRead;
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    }
    // Written to in place, it may have given us a mixture of both contents.
    if ((await stateOf(handle, what, call)).version !== version) {
      throw new OriginError('ORIGIN_CHANGED', `${what}: the file was written to while it was read`, { details });
    }
  } catch (cause) {
    throw call.signal.aborted ? call.signal.reason : fileError(cause, what, details);
  } finally {
    const closed = handle.close();
    // A read that hangs in the kernel keeps the file from closing: leave it, as the kernel will.
    if (pending) closed.catch(() => {});
    else await closed;
  }
}

async function stateOf(handle: FileHandle, what: string, call: Call): Promise<ImageFileState> {
  const stat = await call.wait(handle.stat({ bigint: true }), what);
  if (!stat.isFile()) throw new OriginError('ORIGIN_NOT_FOUND', `${what} is not a regular file`);
  return { imageBytes: Number(stat.size), version: `file:${stat.ino}-${stat.size}-${stat.mtimeNs}` };
}

function fileError(cause: unknown, what: string, details: Readonly<Record<string, unknown>>): unknown {
  const code = errorCode(cause);
  if (cause instanceof OriginError || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return cause;
  if (ABSENT.has(code)) return new OriginError('ORIGIN_NOT_FOUND', `there is no file ${what}`, { details, cause });
  if (code === 'EACCES' || code === 'EPERM') {
    const message = `${what} may not be read by this process: look at its owner and mode`;
    return new OriginError('ORIGIN_FORBIDDEN', message, { details, cause });
  }
  const message = `${what} cannot be read (${code}): look at the disk and the system's log`;
  return new OriginError('ORIGIN_UNAVAILABLE', message, { details, cause, canRetry: true });
}
