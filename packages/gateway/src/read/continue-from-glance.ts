import type { HandlerDeps } from '../exchange.ts';
import { GatewayError } from '../gateway-error.ts';
import { endToEndHeaders, type RawHeaders } from '../headers.ts';
import type { GlanceImage, OriginRead } from '../ports/image-service.ts';
import { discardAnswer } from '../relay-body.ts';
import { boundImage, isSameContent, showImage } from '../shown-image.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { glanceSource, type ByteSource } from './byte-source.ts';

export interface Continuation {
  readonly image: GlanceImage;
  /** First byte of the image that is still missing. */
  readonly offset: number;
  readonly length: number;
  /** Of the client's request for the data. */
  readonly path: string;
  readonly rawHeaders: RawHeaders;
  readonly read: OriginRead | undefined;
  readonly signal: AbortSignal;
}

type ContinueDeps = Pick<HandlerDeps, 'upstream' | 'clock' | 'numbers'>;

/**
 * Goes on with a download from Glance at exactly `offset`; where its store cannot read from the middle, what lies before is read and thrown away. Glance is
 * asked first whether the image is still the same: an id may mean something else by now.
 * @throws GatewayError; with `canRetry` where Glance may be able to later. `read` is not released then.
 */
export async function continueFromGlance(deps: ContinueDeps, continuation: Continuation): Promise<ByteSource> {
  const { image, offset, length, path, rawHeaders, read, signal } = continuation;
  const shown = await showImage(deps, { ref: image.ref, path: `/v2/images/${image.ref}`, rawHeaders }, { signal });
  checkStatus(shown.status, 200, image);
  const now = shown.record && boundImage(shown.record);
  if (!now || !isSameContent(now, image)) throw changed(image, 'Glance shows another content by now');

  const end = offset + length;
  const headers = endToEndHeaders(rawHeaders, ['accept-encoding', 'content-length', 'content-range', 'range']);
  headers.push('Accept-Encoding', 'identity'); // what the client has is plain
  const ask = (range: readonly string[]): Promise<UpstreamAnswer> =>
    deps.upstream.request({ method: 'GET', path, rawHeaders: [...headers, ...range], signal });
  const { clock, numbers } = deps;
  const discard = (answer: UpstreamAnswer): void =>
    discardAnswer(answer, numbers.maxDiscardedBytes, { clock, stallMs: numbers.stallMs });

  const isWhole = offset === 0 && length === image.imageBytes;
  let answer = await ask(isWhole ? [] : ['Range', `bytes=${offset}-${end - 1}`]);
  if (answer.status === 400 && !isWhole) {
    discard(answer); // that is how Glance says that its store has no ranges
    answer = await ask([]);
  }
  try {
    if (isEncoded(answer)) throw changed(image, 'somebody before Glance encodes it, which was not asked for');
    if (answer.status === 206) {
      const range = answer.header('content-range');
      if (range !== `bytes ${offset}-${end - 1}/${image.imageBytes}`)
        throw changed(image, `Glance answers with another range: ${JSON.stringify(range)}`);
      checkLength(answer, length, image);
      return glanceSource(answer, { read, skipBytes: 0, signal });
    }
    checkStatus(answer.status, 200, image);
    checkLength(answer, image.imageBytes, image);
    return glanceSource(answer, { read, skipBytes: offset, signal });
  } catch (error) {
    discard(answer);
    throw error;
  }
}

/** Whether the bytes on the way are others than those of the image. */
export function isEncoded(answer: UpstreamAnswer): boolean {
  return (answer.header('content-encoding') ?? 'identity') !== 'identity';
}

function checkStatus(status: number, expected: number, image: GlanceImage): void {
  if (status === expected) return;
  const message = `Glance answers ${status} to the rest of image ${image.ref}`;
  const canRetry = status >= 500;
  const code = canRetry ? 'GATEWAY_GLANCE_UNREACHABLE' : 'GATEWAY_BAD_ANSWER';
  throw new GatewayError(code, message, { details: { ref: image.ref, status }, canRetry });
}

function checkLength(answer: UpstreamAnswer, expected: number, image: GlanceImage): void {
  const length = answer.header('content-length');
  if (length !== undefined && Number(length) !== expected)
    throw changed(image, `Glance sends ${length} bytes, not ${expected}`);
}

function changed(image: GlanceImage, why: string): GatewayError {
  return new GatewayError('GATEWAY_CONTENT_MISMATCH', `image ${image.ref} cannot be continued: ${why}`, {
    details: { ref: image.ref },
  });
}
