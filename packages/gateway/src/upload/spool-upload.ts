import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ImageHash } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { HandlerDeps } from '../exchange.ts';
import { putImage, type PutAnswer, type UploadSource } from './put-image.ts';
import type { Seeding } from './seeding.ts';
import type { Spool, SpoolFile } from './spool.ts';
import { leavingSignal, streamUpload, type Upload } from './stream-upload.ts';

type SpoolUploadDeps = HandlerDeps & { readonly spool: Spool };

/** Glance, or who stands before it, is not there for now. */
const AWAY = new Set([502, 503, 504]);
const BROKEN_OFF = new Set([
  'GATEWAY_GLANCE_UNREACHABLE',
  'GATEWAY_GLANCE_TRUNCATED',
  'GATEWAY_BAD_ANSWER',
  'GATEWAY_STALLED',
]);

/**
 * Takes the whole of the data first and gives it to Glance then, as often as it takes: a Glance that is restarted in the middle costs Nova nothing. What Glance
 * will refuse at once, and what there is no room for, streams as without a spool; so does the rest of what outgrows the room.
 */
export async function spoolUpload(deps: SpoolUploadDeps, upload: Upload): Promise<PutAnswer> {
  const { spool, logger } = deps;
  const { client, shown, exchange } = upload;
  const { request, signal } = exchange;
  const length = request.headers['content-length'];
  // Glance says why, and the client need not send its file for that.
  const willRefuse = shown && (shown.record ? shown.record.status !== 'queued' : shown.status < 500);
  if (willRefuse || client.isEmpty) return await streamUpload(deps, upload, client);
  const tooLittle = (error: unknown): void => {
    if (errorCode(error) !== 'GATEWAY_NO_SPOOL') throw error;
    logger.warn('an upload is not spooled', { image: exchange.route.image, reason: (error as Error).message });
  };
  let file: SpoolFile;
  try {
    file = await spool.create(length === undefined ? undefined : Number(length));
  } catch (error) {
    tooLittle(error);
    return await streamUpload(deps, upload, client);
  }
  upload.onEnd(() => file.release());
  const onAbort = (): void => client.stop(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const seeding = shown?.record && upload.seed(shown.record, file.read());
    const bytes = client.read();
    for (let next = await bytes.next(); !next.done; next = await bytes.next()) {
      try {
        await file.append(next.value);
      } catch (error) {
        tooLittle(error);
        seeding?.refuse(error);
        await seeding?.ended;
        file.end();
        return await streamUpload(deps, upload, joined(file, next.value, bytes, client));
      }
    }
    file.end();
    return await deliver(deps, upload, file, seeding);
  } catch (error) {
    file.fail(error);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What is spooled, what found no place there, and what the client has not sent yet. To be read once. */
function joined(
  file: SpoolFile,
  between: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
  client: UploadSource,
): UploadSource {
  return {
    async *read() {
      yield* file.read();
      yield between;
      yield* rest;
    },
    stop: (reason) => client.stop(reason),
  };
}

/** Gives Glance a spooled image, again and again while it is away. */
async function deliver(
  deps: SpoolUploadDeps,
  upload: Upload,
  file: SpoolFile,
  seeding: Seeding | undefined,
): Promise<PutAnswer> {
  const { clock, random, logger, numbers } = deps;
  const { exchange, show, seed } = upload;
  const { request, route, signal } = exchange;
  const endMs = clock.now() + numbers.spoolRetryMs;
  let isSeeding = seeding !== undefined;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    const shown = attempt === 1 && isSeeding ? undefined : await show({ signal }).catch(() => undefined);
    if (shown?.record && !isSeeding) {
      isSeeding = true; // Glance was away when the upload began
      seed(shown.record, file.read());
    }
    const leaving = leavingSignal(deps, signal);
    let put: PutAnswer | undefined;
    let failure: unknown;
    try {
      put = await putImage(deps, {
        path: request.url ?? '',
        rawHeaders: request.rawHeaders,
        source: { read: () => file.read(), stop: () => {} },
        signal: leaving.signal,
        onSent: () => leaving.stay(),
      });
      // A try of ours that Glance did take, or has not cleared away yet, is in the way of this one.
      if (put.answer.status === 409 && attempt > 1) put = await afterConflict(upload, file, put);
      if (put && !AWAY.has(put.answer.status)) return put;
    } catch (error) {
      if (signal.aborted || !BROKEN_OFF.has(errorCode(error) ?? '')) throw error;
      failure = error;
    } finally {
      leaving.end();
    }
    const pauseMs =
      (0.5 + random.next() / 2) *
      Math.min(numbers.spoolMaxDelayMs, numbers.spoolFirstDelayMs * 2 ** Math.min(attempt - 1, 30));
    if (clock.now() + pauseMs >= endMs) {
      if (put) return put;
      throw failure ?? new Error('Glance did not take the image in time');
    }
    const said = put?.answer.status ?? errorCode(failure) ?? 409;
    logger.warn('a spooled upload is tried again', { image: route.image, attempt, said, pauseMs: Math.round(pauseMs) });
    await clock.sleep(pauseMs, { signal });
  }
}

/** Glance will not have the data twice. Where it has it already, only its answer was lost; undefined where it is still busy with the last try. */
async function afterConflict(
  { show, exchange }: Upload,
  file: SpoolFile,
  conflict: PutAnswer,
): Promise<PutAnswer | undefined> {
  const shown = await show({ signal: exchange.signal }).catch(() => undefined);
  const record = shown?.record;
  if (record?.status === 'saving' || record?.status === 'queued') return undefined;
  if (record?.status !== 'active' || record.hash === undefined || record.imageBytes !== file.writtenBytes)
    return conflict;
  if ((await hashOf(file, record.hash.algorithm)) !== record.hash.value) return conflict;
  return {
    answer: {
      status: 204,
      statusMessage: 'No Content',
      rawHeaders: [],
      header: () => undefined,
      body: Readable.from([]),
    },
    body: Buffer.alloc(0),
  };
}

async function hashOf(file: SpoolFile, algorithm: ImageHash['algorithm']): Promise<string> {
  const hash = createHash(algorithm);
  for await (const bytes of file.read()) hash.update(bytes);
  return hash.digest('hex');
}
