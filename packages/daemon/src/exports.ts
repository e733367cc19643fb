/**
 * Images as plain files for who cannot read them over HTTP: rebuilt on request, each into a file of its own that nobody else ever reads or writes, and
 * given up as soon as it was taken. Whoever takes it by a hard link is therefore alone with it. What a dead taker leaves goes by age; what a dead daemon
 * leaves, when the next one starts.
 */
import { chmod, chown, mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { imageRef } from '@quarry/content';
import type { Domain, ImageHash, ImageRef } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { Progress, Progressing } from './daemon.ts';
import { DaemonError } from './daemon-error.ts';

/** What Glance says that an image is, to one who may read it. */
export interface AuthorisedImage {
  readonly ref: ImageRef;
  readonly imageBytes: number;
  readonly hash: ImageHash;
  readonly domain: Domain;
}

/** Who asks, by lower-case names: both tokens, and the request's id. They go to Glance and nowhere else. */
export type CallerHeaders = Readonly<Record<string, string>>;

export interface ExportsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /**
   * Asks Glance, with the caller's own headers, whether they may read the data of the image. Rejects with a coded error if not, and if
   * Glance names no hash: what it does not name cannot be checked.
   */
  readonly authorise: (
    ref: ImageRef,
    headers: CallerHeaders,
    options: { readonly signal: AbortSignal },
  ) => Promise<AuthorisedImage>;
  /** Makes the file; it does not exist before. Leaves nothing if it rejects. */
  readonly rebuild: (
    image: AuthorisedImage,
    headers: CallerHeaders,
    destination: string,
    options: Progressing & { readonly signal: AbortSignal },
  ) => Promise<void>;
}

export interface ExportsOptions {
  /** Must be on the file system of who takes the files, if they are to be taken by reflink or hard link. */
  readonly directory: string;
  /** Whose members may take files; undefined: only the user that the daemon runs as. */
  readonly groupId?: number | undefined;
  readonly maxAgeMs?: number;
}

export interface ExportedImage {
  /** 128 bits of chance: who does not know it cannot guess it. */
  readonly id: string;
  readonly path: string;
  readonly imageBytes: number;
  readonly hash: ImageHash;
}

export interface Exports {
  /** Resolves when the file is whole. If the signal aborts, nothing of it remains. */
  create(
    image: string,
    headers: CallerHeaders,
    options: Progressing & { readonly signal: AbortSignal },
  ): Promise<ExportedImage>;
  /** Removes the daemon's name of the file; `outcome` is for the log. False: there is none of that id, or no more. */
  giveUp(id: string, outcome: string): Promise<boolean>;
  /** Gives up all there are. */
  close(): Promise<void>;
}

/** A taker has the file open, linked or cloned long before: ten minutes are for one that died. */
const MAX_AGE_MS = 10 * 60_000;
const ID_BYTES = 16;
/** Ours, and the hidden ones that a killed rebuild leaves. */
const NAME = /^\.?[0-9a-f]{32}\.img(\..*)?$/;

/** @throws DaemonError DAEMON_DIRECTORY_UNUSABLE */
export async function createExports(
  deps: ExportsDeps,
  { directory, groupId, maxAgeMs = MAX_AGE_MS }: ExportsOptions,
): Promise<Exports> {
  const { clock, logger } = deps;
  const live = new Map<string, { readonly path: string; readonly image: ImageRef; readonly cancelAge: () => void }>();
  const ownedByGroup = async (path: string): Promise<void> => {
    if (groupId !== undefined) await chown(path, process.getuid?.() ?? -1, groupId);
  };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await ownedByGroup(directory);
    // members may reach a file whose name they were told, and list none
    await chmod(directory, groupId === undefined ? 0o700 : 0o710);
    for (const name of await readdir(directory)) if (NAME.test(name)) await remove(join(directory, name));
  } catch (cause) {
    throw new DaemonError(
      'DAEMON_DIRECTORY_UNUSABLE',
      `cannot use the directory ${directory} for exports: ${cause instanceof Error ? cause.message : String(cause)}; it must belong to the daemon’s user, who must be a member of exports.group`,
      { cause, details: { directory } },
    );
  }

  const giveUp = async (id: string, outcome: string): Promise<boolean> => {
    const found = live.get(id);
    if (!found) return false;
    live.delete(id);
    found.cancelAge();
    await remove(found.path);
    logger.info('export given up', { image: found.image, outcome });
    return true;
  };

  return {
    giveUp,
    async create(image, headers, { signal, onProgress }) {
      const ref = imageRef(image);
      const step = (doneBytes: number, totalBytes: number | undefined): Progress => ({
        step: 'finding',
        image: ref,
        doneBytes,
        totalBytes,
      });
      const startedMs = clock.now();
      onProgress?.(step(0, undefined));
      const authorised = await deps.authorise(ref, headers, { signal });
      const { imageBytes, hash, domain } = authorised;
      onProgress?.(step(0, imageBytes));
      const id = Buffer.from(deps.random.bytes(ID_BYTES)).toString('hex');
      const path = join(directory, `${id}.img`);
      try {
        await deps.rebuild(authorised, headers, path, { signal, onProgress });
        await ownedByGroup(path);
        // What a hard link keeps: Nova's own files are 0644, and who may not write to a file may not link it either (proc(5), protected_hardlinks).
        await chmod(path, 0o664);
        signal.throwIfAborted();
      } catch (error) {
        await remove(path);
        throw error;
      }
      const cancelAge = clock.after(maxAgeMs, () => {
        giveUp(id, 'too old').catch((error: unknown) => logger.error('export not removed', { path, error }));
      });
      live.set(id, { path, image: ref, cancelAge });
      const requestId = headers['x-openstack-request-id'];
      const durationMs = clock.now() - startedMs;
      // Glance sees only that somebody asked whether they may.
      logger.info('image exported', { audit: true, requestId, image: ref, domain, imageBytes, durationMs });
      return { id, path, imageBytes, hash };
    },
    async close() {
      await Promise.all([...live.keys()].map((id) => giveUp(id, 'the daemon stops')));
    },
  };
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
