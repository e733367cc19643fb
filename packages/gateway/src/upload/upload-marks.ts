/**
 * Which uploads have begun, kept where a crash does not reach. A daemon that is killed in the middle of an upload resets the connection, and Nova sends the rest of
 * its file as if it were the whole, to the next daemon or to Glance: only who knows that there was a beginning can tell. Nova's second try has the request
 * id of the first; another upload of the same image has not.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, type Clock } from '@quarry/runtime';
import { GatewayError } from '../gateway-error.ts';

export interface UploadMarks {
  /** Marks the beginning. Resolves to undefined where this upload has begun before and its client never had an answer: what comes is not the whole file. */
  begin(image: string, requestId: string): Promise<UploadMark | undefined>;
}

export interface UploadMark {
  /** The client has its answer: it will not send again. */
  remove(): Promise<void>;
}

export interface UploadMarksOptions {
  /** Made if it is missing, for this user alone. */
  readonly directory: string;
  /** How long a beginning is remembered; longer than Nova goes on trying. */
  readonly keepMs?: number;
}

const KEEP_MS = 3_600_000;
const FILE_NAME = /^[0-9a-f]{64}\.upload$/;

/** @throws GatewayError GATEWAY_NO_SPOOL where the directory cannot be used */
export async function openUploadMarks(
  { clock }: { readonly clock: Clock },
  { directory, keepMs = KEEP_MS }: UploadMarksOptions,
): Promise<UploadMarks> {
  const forget = async (name: string): Promise<void> => {
    await unlink(join(directory, name)).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
  };
  const forgetLater = (name: string, ms: number): void => {
    clock.after(ms, () => void forget(name).catch(() => {})); // or at the next start
  };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      if (!FILE_NAME.test(name)) continue;
      const ageMs = clock.wallMs() - (await stat(join(directory, name))).mtimeMs;
      if (ageMs >= keepMs) await forget(name);
      else forgetLater(name, keepMs - ageMs);
    }
  } catch (cause) {
    const message = `the directory ${directory} for the marks of uploads cannot be used (${errorCode(cause)}): who owns it?`;
    throw new GatewayError('GATEWAY_NO_SPOOL', message, { cause });
  }
  return {
    async begin(image, requestId) {
      const name = `${createHash('sha256').update(`${image}\n${requestId}`).digest('hex')}.upload`;
      try {
        // In the page cache it outlives the process; after a crash of the host Nova is gone as well.
        await writeFile(join(directory, name), '', { flag: 'wx', mode: 0o600 });
      } catch (error) {
        if (errorCode(error) === 'EEXIST') return undefined;
        throw error;
      }
      return {
        remove: () => forget(name),
      };
    },
  };
}
