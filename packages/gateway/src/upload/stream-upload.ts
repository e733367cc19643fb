import { errorCode } from '@quarry/runtime';
import type { Exchange, HandlerDeps } from '../exchange.ts';
import { freeBuffer } from '../free-buffer.ts';
import { GatewayError } from '../gateway-error.ts';
import type { ImageRecord, ShownImage } from '../shown-image.ts';
import { createTee, type TeeOptions } from '../tee.ts';
import type { ClientBody } from './client-body.ts';
import { putImage, type PutAnswer, type UploadSource } from './put-image.ts';
import type { Seeding } from './seeding.ts';

/** One upload, as both ways of passing it on see it. */
export interface Upload {
  readonly exchange: Exchange;
  readonly client: ClientBody;
  /** What Glance said of the image before; undefined where it did not say. */
  readonly shown: ShownImage | undefined;
  /** Asks Glance what the image is now, with the client's headers. */
  readonly show: (waiting: { readonly signal: AbortSignal }) => Promise<ShownImage>;
  /** Begins to seed the image from bytes that pass by. Not before the last one has ended. */
  readonly seed: (
    record: ImageRecord,
    bytes: AsyncIterable<Uint8Array>,
    onDone?: (bytes: Uint8Array) => void,
  ) => Seeding;
  /** Runs when the client has its answer and the seeding has ended. */
  readonly onEnd: (run: () => Promise<void>) => void;
}

/** Passes the data on as it comes. */
export async function streamUpload(deps: HandlerDeps, upload: Upload, source: UploadSource): Promise<PutAnswer> {
  const { exchange, client, shown, seed } = upload;
  const { clock, numbers } = deps;
  const { request, signal } = exchange;
  const tee = shown?.record && !client.isEmpty ? createTee(source.read(), { clock }, teeOptions(numbers)) : undefined;
  // An ingest that ends before it has read all must not be waited for.
  if (tee && shown?.record)
    void seed(shown.record, tee.second, tee.doneBySecond).ended.then(() => tee.drop(ingestEnded()));
  const leaving = leavingSignal(deps, signal);
  try {
    return await putImage(deps, {
      path: request.url ?? '',
      rawHeaders: request.rawHeaders,
      source: client.isEmpty
        ? undefined
        : { read: () => tee?.first ?? source.read(), stop: (reason) => source.stop(reason) },
      onDone: tee?.doneByFirst ?? freeBuffer,
      signal: leaving.signal,
      onSent: () => leaving.stay(),
    });
  } finally {
    leaving.end();
    tee?.drop(ingestEnded()); // no effect where all has passed
  }
}

/**
 * Who leaves in the middle ends the upload: Glance puts the image back to queued. Who leaves when Glance has got all does not: Glance would take it
 * all the same, and would not know that it should not.
 */
export function leavingSignal(
  { clock, numbers }: Pick<HandlerDeps, 'clock' | 'numbers'>,
  signal: AbortSignal,
): { readonly signal: AbortSignal; stay(): void; end(): void } {
  const leaving = new AbortController();
  let mayLeave = false;
  let cancel: (() => void) | undefined;
  const onAbort = (): void => {
    if (mayLeave && errorCode(signal.reason) === 'GATEWAY_CLIENT_GONE') {
      cancel = clock.after(numbers.stallMs, () => leaving.abort(signal.reason)); // nobody waits for it: a gateway that closes does
    } else leaving.abort(signal.reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: leaving.signal,
    stay() {
      mayLeave = true;
    },
    end() {
      signal.removeEventListener('abort', onAbort);
      cancel?.();
    },
  };
}

function ingestEnded(): GatewayError {
  return new GatewayError('GATEWAY_TEE_DROPPED', 'the upload or its ingest has ended');
}

function teeOptions({ seedAheadBytes, seedGraceMs, seedShare }: HandlerDeps['numbers']): TeeOptions {
  return { maxAheadBytes: seedAheadBytes, graceMs: seedGraceMs, maxHeldShare: seedShare, onDone: freeBuffer };
}
