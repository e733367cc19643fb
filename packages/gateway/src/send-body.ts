import type { ClientRequest } from 'node:http';
import { Readable } from 'node:stream';

/** Whom the body waits for. */
export interface BodyProgress {
  /** The other side does not take more. */
  waiting(): void;
  /** It took what there was. */
  moving(): void;
  /** The system has taken a buffer, which may be changed now. */
  readonly done?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * Sends a body and ends the request. Resolves when all of it is handed over, or when nobody listens any more: the rest of a client's body is then read and
 * thrown away, as Glance does, or the client would never see the answer. Rejects with what the body rejects with.
 */
export async function sendBody(
  body: AsyncIterable<Uint8Array> | Readable,
  request: ClientRequest,
  progress: BodyProgress,
): Promise<void> {
  // The request of a client is not ours to destroy: its answer goes the same way back.
  const bytes = body instanceof Readable ? body.iterator({ destroyOnReturn: false }) : body;
  for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
    if (isGone(request)) break;
    const whenOut = progress.done && ((error?: Error | null) => error ?? progress.done?.(chunk));
    if (request.write(chunk, whenOut)) continue;
    progress.waiting();
    await drained(request);
    progress.moving();
  }
  if (isGone(request)) {
    if (body instanceof Readable) body.resume();
    return;
  }
  request.end();
}

function isGone(request: ClientRequest): boolean {
  return request.destroyed || request.socket?.destroyed === true;
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off('drain', done);
      request.off('close', done);
      resolve();
    };
    request.on('drain', done);
    request.on('close', done);
  });
}
