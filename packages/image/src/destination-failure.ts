import { errorCode } from '@quarry/runtime';
import { ImageError, messageOf } from './image-error.ts';

export function destinationExists(destination: string): ImageError {
  const message = `${destination} exists: remove it, name another file, or say that it may be overwritten`;
  return new ImageError('IMAGE_DESTINATION_EXISTS', message, { details: { destination } });
}

const ADVICE: Readonly<Record<string, string>> = {
  EISDIR: 'name a file in it',
  ENOTDIR: 'a part of the path is not a directory',
  ENOENT: 'create its directory first',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  EFBIG: 'the file system does not take files that large',
  EINVAL: 'name a regular file',
};

/** What the file system said while an image was put together, as one of our errors. */
export function destinationFailure(destination: string, doing: string, cause: unknown): ImageError {
  const systemCode = errorCode(cause);
  const details = { destination, systemCode };
  if (systemCode === 'ENOSPC' || systemCode === 'EDQUOT') {
    const message = `no room left for ${destination}: free some space on its file system`;
    return new ImageError('IMAGE_NO_SPACE', message, { details, cause, canRetry: true });
  }
  const advice = ADVICE[systemCode ?? ''] ?? messageOf(cause);
  return new ImageError('IMAGE_DESTINATION_UNUSABLE', `${destination} cannot be written (${doing}): ${advice}`, {
    details,
    cause,
  });
}
