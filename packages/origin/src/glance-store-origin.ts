import type { ImageRef, Origin, OriginImage } from '@quarry/content';
import { errorCode, type Clock } from '@quarry/runtime';
import { rangeOf } from './byte-range.ts';
import { createCallScope, type Call } from './call-scope.ts';
import { changedError, namesIn, unlessAbsent } from './directory-origin.ts';
import { isGlanceId } from './glance-id.ts';
import { openImageFile, readImageFile } from './image-file.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';

export interface GlanceStoreOriginOptions {
  /** Glance's `filesystem_store_datadir`: the data of an image is the file that has its id for a name. */
  readonly directory: string;
  /** How long a read may take (a network file system that hangs). */
  readonly idleTimeoutMs?: number;
}

export interface GlanceStoreOriginDeps {
  readonly clock: Clock;
  /**
   * Glance itself, where it can be asked: it knows an image's name, hash and size and whether it may be read. Without it nothing but the
   * file is known, and a file that is still being uploaded looks like an image.
   */
  readonly records?: Pick<Origin, 'describe'> | undefined;
}

/**
 * Glance's file store read by path, next to Glance or over a shared file system: what unshelve did until Nova lost its FileTransfer,
 * and about as fast as the disk.
 */
export function createGlanceStoreOrigin(
  { clock, records }: GlanceStoreOriginDeps,
  { directory, idleTimeoutMs = originDefaults.idleTimeoutMs }: GlanceStoreOriginOptions,
): Origin {
  const kind = 'glance-store';
  const scope = createCallScope(clock, idleTimeoutMs, kind);

  const describe = async (ref: ImageRef, call: Call): Promise<OriginImage> => {
    checkId(ref, directory);
    const record = await records?.describe(ref, { signal: call.signal });
    const file = await openImageFile(directory, ref, call).catch((cause: unknown) => {
      if (!record || !(cause instanceof OriginError && cause.code === 'ORIGIN_NOT_FOUND')) throw cause;
      // Glance answers 204 then.
      const message = `Glance has image ${ref}, and ${directory} has no file for it: lost, or in another store`;
      throw new OriginError('ORIGIN_NO_DATA', message, { details: { ref, directory }, cause });
    });
    await file.handle.close();
    const { imageBytes, version } = file;
    if (!record) return { ref, name: ref, imageBytes, hash: undefined, format: undefined, version };
    if (imageBytes !== record.imageBytes) throw sizeError(record, imageBytes, directory);
    return { ...record, version: `${record.version} ${version}` };
  };

  return {
    kind,
    describe: (ref, { signal } = {}) => scope.run(signal, (call) => describe(ref, call)),
    list: ({ signal } = {}) =>
      scope.stream(signal, async function* list(call) {
        for (const ref of await namesIn(directory, call)) {
          const image = isGlanceId(ref) ? await describe(ref, call).catch(unlessUnreadable) : undefined;
          if (image) yield image;
        }
      }),
    open(image, { offset, length, signal, pool } = {}) {
      const range = rangeOf(image, { offset, length });
      return scope.stream(signal, async function* read(call) {
        checkId(image.ref, directory);
        const file = await openImageFile(directory, image.ref, call);
        if (image.version.split(' ').at(-1) !== file.version) {
          await file.handle.close();
          throw changedError(image);
        }
        yield* readImageFile(file, image, range, call, pool);
      });
    },
    canRange: () => true,
    async close() {
      scope.close();
    },
  };
}

function checkId(ref: ImageRef, directory: string): void {
  if (isGlanceId(ref)) return;
  const message = `${JSON.stringify(ref)} is not an image id, so it is no file of the store in ${directory}`;
  throw new OriginError('ORIGIN_NOT_FOUND', message, { details: { ref, directory } });
}

function sizeError(record: OriginImage, actual: number, directory: string): OriginError {
  const details = { ref: record.ref, directory, expected: record.imageBytes, actual };
  const says = `Glance says that image ${record.ref} has ${record.imageBytes} bytes, and its file in ${directory} has ${actual}`;
  return actual < record.imageBytes
    ? new OriginError('ORIGIN_TRUNCATED', `${says}: it is cut off`, { details })
    : new OriginError('ORIGIN_CHANGED', `${says}: it is another's`, { details });
}

/** A list is of what can be read; one broken image does not hide the others. */
function unlessUnreadable(error: unknown): undefined {
  const unreadable = ['ORIGIN_NO_DATA', 'ORIGIN_FORBIDDEN', 'ORIGIN_GONE', 'ORIGIN_TRUNCATED', 'ORIGIN_CHANGED'];
  return unreadable.includes(errorCode(error) ?? '') ? undefined : unlessAbsent(error);
}
