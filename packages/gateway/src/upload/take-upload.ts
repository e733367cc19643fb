/**
 * `PUT /v2/images/{id}/file`: what Nova does at a shelve. The data goes to Glance and, as it passes by, into the chunks of this host, so that whoever
 * unshelves needs nothing of the store. Glance decides everything; the ingest may fail, be slow or be given up, and nobody notices.
 */
import type { ImageHash } from '@quarry/content';
import { errorCode, isCodedError } from '@quarry/runtime';
import { askBefore } from '../ask-before.ts';
import type { Exchange, Handler, HandlerDeps } from '../exchange.ts';
import { answerError, writeHeadOf } from '../forward.ts';
import { GatewayError } from '../gateway-error.ts';
import { showImage } from '../shown-image.ts';
import { createClientBody, type ClientBody } from './client-body.ts';
import type { PutAnswer } from './put-image.ts';
import { startSeeding, type Seeding, type SeedingEnd } from './seeding.ts';
import type { Spool } from './spool.ts';
import { spoolUpload } from './spool-upload.ts';
import { streamUpload, type Upload } from './stream-upload.ts';
import { uploadAnswer } from './upload-answer.ts';
import type { UploadMark, UploadMarks } from './upload-marks.ts';

export interface TakeUploadDeps extends HandlerDeps {
  /** Where uploads are kept until Glance has taken them. Without one they stream. */
  readonly spool?: Spool | undefined;
  /** Which uploads have begun. Without them a crash in the middle of one can make Nova send the rest of a file for the whole. */
  readonly uploadMarks?: UploadMarks | undefined;
}

const NOT_SEEDED: SeedingEnd = { isSeeded: false, reason: undefined };

export function createTakeUpload(deps: TakeUploadDeps): Handler {
  const { images, clock, numbers, logger, observer, spool } = deps;
  // Glance does not say before it has the data; it is the same for all images until somebody sets another [DEFAULT]hashing_algorithm.
  let algorithm: ImageHash['algorithm'] = 'sha512';

  return async (exchange) => {
    const { route, request, response } = exchange;
    const ref = route.image;
    if (ref === undefined) throw new TypeError('an upload is of an image');
    const client = createClientBody(request, response, { clock }, { idleMs: numbers.clientIdleMs });
    const show: Upload['show'] = async (waiting) => {
      const shown = await showImage(deps, { ref, path: `/v2/images/${ref}`, rawHeaders: request.rawHeaders }, waiting);
      algorithm = shown.record?.hash?.algorithm ?? algorithm;
      return shown;
    };
    let seeding: Seeding | undefined;
    let failure: unknown;
    let mark: UploadMark | undefined;
    const endings: (() => Promise<void>)[] = [];
    try {
      if (client.hasBegun) mark = await markBeginning(deps, exchange);
      const upload: Upload = {
        exchange,
        client,
        shown: await askBefore(deps, exchange),
        show,
        seed: (record, bytes, onDone) =>
          (seeding = startSeeding({ images, logger, show }, record, bytes, algorithm, onDone)),
        onEnd: (run) => void endings.push(run),
      };
      const put = await (spool ? spoolUpload({ ...deps, spool }, upload) : streamUpload(deps, upload, client));
      if (put.answer.status < 300) {
        seeding?.accept();
        await published(deps, seeding);
      } else seeding?.refuse(notTaken(put.answer.status));
      answerWith(exchange, client, put);
    } catch (error) {
      failure = error;
      seeding?.refuse(error);
      answerFailure(exchange, client, error);
    }
    const { isSeeded, reason } = await leave(deps, exchange, client, { seeding, mark });
    for (const run of endings) await run();
    observer.uploaded({
      image: ref,
      status: response.headersSent ? response.statusCode : 0,
      receivedBytes: client.readBytes,
      seeded: isSeeded ? 'seeded' : 'not-seeded',
      reason: errorCode(failure) ?? reason,
      durationMs: clock.now() - exchange.startedAtMs,
    });
  };
}

/** @throws GatewayError GATEWAY_UPLOAD_CUT where what comes is the rest of a file whose beginning was sent before */
async function markBeginning(
  { uploadMarks, logger }: TakeUploadDeps,
  { route, request }: Exchange,
): Promise<UploadMark | undefined> {
  const requestId = request.headers['x-openstack-request-id'];
  if (!uploadMarks || route.image === undefined || typeof requestId !== 'string') return undefined;
  let mark: UploadMark | undefined;
  try {
    mark = await uploadMarks.begin(route.image, requestId);
  } catch (error) {
    logger.warn('the beginning of an upload is not marked', { image: route.image, code: errorCode(error) });
    return undefined;
  }
  if (mark) return mark;
  const message = `the beginning of this upload of image ${route.image} was sent before and cut off, so what comes now is only the rest of the file; nothing of it was given to Glance`;
  throw new GatewayError('GATEWAY_UPLOAD_CUT', message, { details: { image: route.image } });
}

function notTaken(status: number): GatewayError {
  return new GatewayError('GATEWAY_NOT_TAKEN', `Glance answered ${status} to the upload`, { details: { status } });
}

/**
 * Publishing takes milliseconds, and Nova, once it has its answer, deletes the disk and may have the image fetched on another host within a second: that
 * host should find it. A disk that is slow now is no reason to keep Nova waiting.
 */
async function published({ clock, numbers }: HandlerDeps, seeding: Seeding | undefined): Promise<void> {
  const waited = new AbortController();
  await Promise.race([seeding?.ended, clock.sleep(numbers.publishMs, { signal: waited.signal }).catch(() => {})]);
  waited.abort();
}

function answerWith({ request, response }: Exchange, client: ClientBody, { answer, body }: PutAnswer): void {
  if (response.destroyed) return;
  const canRenewToken = request.headers['x-service-token'] !== undefined;
  const status = uploadAnswer(answer.status, { hasBegun: client.hasBegun, canRenewToken });
  if (status === answer.status) {
    writeHeadOf(response, answer);
    response.end(body);
    return;
  }
  const said = `${answer.status} ${answer.statusMessage}`.trim();
  answerError(
    response,
    status,
    `Glance answered ${said} to this upload. It is passed on as ${status}, because the client would take that for a reason to send its file again, and has read it up.`,
  );
}

function answerFailure({ response, signal }: Exchange, client: ClientBody, error: unknown): void {
  if (response.headersSent || response.destroyed || errorCode(signal.reason) === 'GATEWAY_CLIENT_GONE') return;
  const message = isCodedError(error) ? error.message : 'the gateway failed; its log says why';
  answerError(response, failureStatusOf(client, error), `The upload failed: ${message}`);
}

/** Never one that makes the client send a file again that it has read up: see uploadAnswer. */
function failureStatusOf(client: ClientBody, error: unknown): number {
  if (errorCode(error) === 'GATEWAY_STALLED') return 504;
  return !client.hasBegun && isCodedError(error) && error.canRetry ? 503 : 502;
}

/** Sees the answer out, the rest of the client's body in, and the seeding to its end. */
async function leave(
  { clock, numbers, logger }: HandlerDeps,
  { request, response, signal, route }: Exchange,
  client: ClientBody,
  { seeding, mark }: { readonly seeding: Seeding | undefined; readonly mark: UploadMark | undefined },
): Promise<SeedingEnd> {
  // A reset would make the client send again as surely as a 503: who sends is let finish. Unless the gateway closes: then not for long.
  let cancel: (() => void) | undefined;
  const onClosing = (): void => {
    if (errorCode(signal.reason) === 'GATEWAY_CLIENT_GONE') return;
    cancel ??= clock.after(numbers.drainMs, () => request.socket.destroy());
    seeding?.refuse(signal.reason);
  };
  if (signal.aborted) onClosing();
  else signal.addEventListener('abort', onClosing, { once: true });
  const isHeard = client.isWhole || (await client.drain());
  if (!isHeard) request.socket.destroy();
  if (!response.destroyed && !response.writableFinished) {
    await new Promise<void>((resolve) => {
      response.once('finish', resolve);
      response.once('close', resolve);
    });
  }
  if (isHeard && response.writableFinished) {
    // It has its answer. One that has none may come again, and must not be taken at its word.
    await mark?.remove().catch((error: unknown) => {
      logger.warn('the mark of an upload cannot be removed', { image: route.image, code: errorCode(error) });
    });
  }
  const end = seeding ? await seeding.ended : NOT_SEEDED;
  signal.removeEventListener('abort', onClosing);
  cancel?.();
  client.close();
  return end;
}
