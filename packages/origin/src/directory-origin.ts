import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { ContentError, imageRef, type ImageRef, type Origin, type OriginImage } from '@quarry/content';
import { errorCode, type Clock } from '@quarry/runtime';
import { rangeOf } from './byte-range.ts';
import { createCallScope, type Call } from './call-scope.ts';
import { openImageFile, readImageFile } from './image-file.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';

export interface DirectoryOriginOptions {
  /** Its regular files are the images; what lies in subdirectories is not seen. */
  readonly directory: string;
  /** How long a read may take (a network file system that hangs). */
  readonly idleTimeoutMs?: number;
}

const FORMATS = new Set(['qcow2', 'raw', 'vmdk', 'vdi', 'vhd', 'vhdx', 'iso']);

/**
 * A directory of images, called by their file names. Names that begin with a dot are none: uploads in progress are called so.
 * Files should be put there by renaming: what is written to in place is ORIGIN_CHANGED to whoever reads it.
 */
export function createDirectoryOrigin(
  { clock }: { readonly clock: Clock },
  { directory, idleTimeoutMs = originDefaults.idleTimeoutMs }: DirectoryOriginOptions,
): Origin {
  const kind = 'directory';
  const scope = createCallScope(clock, idleTimeoutMs, kind);

  const describe = async (ref: ImageRef, call: Call): Promise<OriginImage> => {
    const { handle, imageBytes, version } = await openImageFile(directory, fileNameOf(ref, directory), call);
    await handle.close();
    const extension = extname(ref).slice(1).toLowerCase();
    const format = FORMATS.has(extension) ? extension : undefined;
    return { ref, name: ref, imageBytes, hash: undefined, format, version };
  };

  return {
    kind,
    describe: (ref, { signal } = {}) => scope.run(signal, (call) => describe(ref, call)),
    list: ({ signal } = {}) =>
      scope.stream(signal, async function* list(call) {
        for (const ref of await namesIn(directory, call)) {
          const image = await describe(ref, call).catch(unlessAbsent);
          if (image) yield image;
        }
      }),
    open(image, { offset, length, signal, pool } = {}) {
      const range = rangeOf(image, { offset, length });
      return scope.stream(signal, async function* read(call) {
        const file = await openImageFile(directory, fileNameOf(image.ref, directory), call);
        if (file.version !== image.version) {
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

/** The names of what could be images in a directory, in order. */
export async function namesIn(directory: string, call: Call): Promise<ImageRef[]> {
  let names: string[];
  try {
    names = await call.wait(readdir(directory), `listing ${directory}`);
  } catch (cause) {
    if (call.signal.aborted || cause instanceof OriginError) throw cause;
    const message = `the directory ${directory} cannot be listed: is it mounted, and may this process read it?`;
    throw new OriginError('ORIGIN_UNAVAILABLE', message, { details: { directory }, cause, canRetry: true });
  }
  return names
    .filter((name) => !name.startsWith('.'))
    .toSorted()
    .flatMap((name) => {
      try {
        return [imageRef(name)];
      } catch (error) {
        if (error instanceof ContentError) return []; // no name that anybody could say
        throw error;
      }
    });
}

/** Passes over what is gone, or is no image after all, when its turn in a list has come. */
export function unlessAbsent(error: unknown): undefined {
  if (errorCode(error) === 'ORIGIN_NOT_FOUND') return undefined;
  throw error;
}

export function changedError(image: OriginImage): OriginError {
  const message = `image ${image.ref} is not what it was when it was described: describe it again`;
  return new OriginError('ORIGIN_CHANGED', message, { details: { ref: image.ref, version: image.version } });
}

function fileNameOf(ref: ImageRef, directory: string): string {
  if (!/[/\\]/.test(ref) && !ref.startsWith('.')) return ref;
  const message = `${JSON.stringify(ref)} is not the name of a file directly in ${directory}`;
  throw new OriginError('ORIGIN_NOT_FOUND', message, { details: { ref, directory } });
}
