import type { Clock } from '@quarry/runtime';
import { GatewayError } from '../gateway-error.ts';
import { endToEndHeaders, type RawHeaders } from '../headers.ts';
import type { GatewayNumbers } from '../options.ts';
import { readAnswer } from '../relay-body.ts';
import type { Upstream, UpstreamAnswer } from '../upstream.ts';

/** The data of an image, wherever it comes from. */
export interface UploadSource {
  /** From its beginning, unless it can be read once only. */
  read(): AsyncIterable<Uint8Array>;
  /** Ends a `read` that waits: it rejects with `reason`. */
  stop(reason: unknown): void;
}

export interface PutDeps {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly numbers: GatewayNumbers;
}

export interface PutRequest {
  readonly path: string;
  /** The client's. */
  readonly rawHeaders: RawHeaders;
  /** Undefined where the client sends nothing. */
  readonly source: UploadSource | undefined;
  /** Called with each buffer that was sent, when nobody on this side needs it any more to send it. */
  readonly onDone?: ((bytes: Uint8Array) => void) | undefined;
  readonly signal: AbortSignal;
  /** Glance has got everything; only its answer is missing. */
  readonly onSent?: () => void;
}

/** Glance's answer, whole. */
export interface PutAnswer {
  readonly answer: UpstreamAnswer;
  readonly body: Buffer;
}

/**
 * One try to give Glance an image's data. Nothing is read of the source before Glance says that it wants it (`100 Continue`), or has been silent for
 * `continueMs`: most of what Glance refuses it refuses on the headers. Where it answers in the middle nothing more is read; the source is stopped then.
 * @throws GatewayError as Upstream.request and readAnswer; GATEWAY_BAD_ANSWER where Glance says that it took an image of which it has not got all;
 * GATEWAY_STALLED where it does not answer within `uploadAnswerMs`; whatever the source rejects with
 */
export async function putImage(deps: PutDeps, request: PutRequest, expects = true): Promise<PutAnswer> {
  const { upstream, clock, numbers } = deps;
  const { path, rawHeaders, source } = request;
  const ending = new AbortController();
  const signal = AbortSignal.any([request.signal, ending.signal]);
  const going = Promise.withResolvers<void>();
  going.promise.catch(() => {}); // nobody may wait for it
  const sent = Promise.withResolvers<void>();
  let wasAsked = false;
  let hasSent = false;
  let cancelAnswer: (() => void) | undefined;
  const go = (): void => {
    wasAsked = true;
    going.resolve();
  };
  const onSent = (): void => {
    hasSent = true;
    sent.resolve();
    request.onSent?.();
    cancelAnswer = clock.after(numbers.uploadAnswerMs, () => {
      const message = `Glance has got the whole image and has not answered for ${numbers.uploadAnswerMs} ms`;
      ending.abort(new GatewayError('GATEWAY_STALLED', message));
    });
  };
  const bytes = async function* (from: UploadSource): AsyncGenerator<Uint8Array, void, undefined> {
    await going.promise;
    yield* from.read();
    onSent();
  };
  const cancelWait = clock.after(expects ? numbers.continueMs : 0, go);
  try {
    const answer = await upstream.request({
      method: 'PUT',
      path,
      rawHeaders: [
        ...endToEndHeaders(rawHeaders, ['expect']),
        ...(source && expects ? ['Expect', '100-continue'] : []),
      ],
      body: source && bytes(source),
      onDone: request.onDone,
      signal,
      onContinue: go,
    });
    // 100 Continue is a hop's affair, and a server of HTTP/1.0 between us and Glance may refuse to hear of it.
    if (answer.status === 417 && source && expects && !wasAsked) {
      answer.body.destroy();
      going.reject(
        new GatewayError('GATEWAY_BAD_ANSWER', 'Glance, or who stands before it, does not know 100-continue'),
      );
      return await putImage(deps, request, false);
    }
    const body = await readAnswer(answer, numbers.maxRecordBytes, { clock, stallMs: numbers.stallMs });
    if (source && !hasSent && answer.status < 300) {
      // It may just be faster than the end of the client's body.
      await Promise.race([sent.promise, clock.sleep(numbers.continueMs, { signal })]);
      if (!hasSent)
        throw new GatewayError('GATEWAY_BAD_ANSWER', `Glance answered ${answer.status} before it had got all`);
    }
    return { answer, body };
  } finally {
    cancelWait();
    cancelAnswer?.();
    if (!hasSent) {
      const reason = new GatewayError('GATEWAY_NOT_TAKEN', 'Glance does not take more of the upload');
      going.reject(reason);
      source?.stop(reason);
      ending.abort(reason);
    }
  }
}
