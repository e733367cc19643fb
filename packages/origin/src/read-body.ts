import type { ImageRef, OriginImage } from '@quarry/content';
import type { ByteRange } from './byte-range.ts';
import type { HttpResponse } from './http-client.ts';
import { httpStatus, statusError } from './http-status.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';

/** What was learned about images: whether the origin can read them from the middle. */
export interface RangeMemory {
  /** Undefined while nobody has tried. */
  find(ref: ImageRef): boolean | undefined;
  learn(ref: ImageRef, hasRanges: boolean): void;
}

export interface BodySource {
  readonly image: OriginImage;
  readonly what: string;
  readonly ranges: RangeMemory;
  /** False where a range is not to be tried. */
  readonly canRange: boolean;
  readonly maxDiscardBytes: number;
  /** Statuses by which this kind of origin refuses a range that it would give as a whole. */
  readonly refusesRangeBy: readonly number[];
  request(headers: Readonly<Record<string, string>>): Promise<HttpResponse>;
  /** Rejects with ORIGIN_CHANGED where the headers tell that this is another version of the image. */
  check(response: HttpResponse): Promise<void>;
}

/**
 * Reads a range over HTTP: asks for it, and where the origin cannot, takes the whole and throws away what lies before, up to a limit.
 * Ends after exactly `length` bytes or rejects.
 */
export async function* readBody(
  source: BodySource,
  { offset, length, isWhole }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (length === 0) return; // there is no such range in HTTP
  const { image, what, ranges } = source;
  let response: HttpResponse | undefined;
  if (!isWhole && source.canRange) {
    response = await source.request({ range: `bytes=${offset}-${offset + length - 1}` });
    if (response.status === httpStatus.partialContent) {
      await checked(response, () => checkContentRange(source, response as HttpResponse, offset, length));
      ranges.learn(image.ref, true);
      return yield* exactly(response, what, { offset: 0, length, imageBytes: length });
    }
    if (response.status === httpStatus.ok) ranges.learn(image.ref, false);
    else if (source.refusesRangeBy.includes(response.status)) {
      ranges.learn(image.ref, false);
      await response.discard();
      response = undefined;
    }
  }
  if (offset > source.maxDiscardBytes && (!response || response.status === httpStatus.ok)) {
    await response?.discard();
    const message = `${what}: the origin cannot read from the middle, and ${offset} bytes lie before; read the whole`;
    throw new OriginError('ORIGIN_NO_RANGE', message, { details: { ref: image.ref, offset } });
  }
  response ??= await source.request({});
  if (response.status !== httpStatus.ok) throw await failed(response, what, { ref: image.ref });
  await checked(response, () => checkWhole(source, response as HttpResponse));
  yield* exactly(response, what, { offset, length, imageBytes: image.imageBytes });
}

/** A coded error for a status that is no success; the connection can be used again. */
export async function failed(
  response: HttpResponse,
  what: string,
  details: Readonly<Record<string, unknown>>,
): Promise<OriginError> {
  const requestId = response.header('x-openstack-request-id');
  await response.discard();
  return statusError(response.status, what, { ...details, ...(requestId !== undefined && { requestId }) });
}

export function createRangeMemory(): RangeMemory {
  const known = new Map<ImageRef, boolean>();
  return {
    find: (ref) => known.get(ref),
    learn(ref, hasRanges) {
      known.delete(ref);
      known.set(ref, hasRanges);
      if (known.size <= originDefaults.maxKnownImages) return;
      for (const oldest of known.keys()) return void known.delete(oldest);
    },
  };
}

async function checked(response: HttpResponse, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    await response.discard();
    throw error;
  }
}

async function checkContentRange(
  source: BodySource,
  response: HttpResponse,
  offset: number,
  length: number,
): Promise<void> {
  const { image, what } = source;
  checkEncoding(source, response);
  const answered = response.header('content-range') ?? '';
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answered) ?? [];
  if (total !== undefined && total !== '*' && Number(total) !== image.imageBytes)
    throw sizeChanged(source, Number(total));
  if (Number(first) !== offset || Number(last) !== offset + length - 1) {
    const message = `${what}: asked for ${length} bytes at ${offset}, the origin answers with ${JSON.stringify(answered)}`;
    throw new OriginError('ORIGIN_BAD_ANSWER', message, { details: { ref: image.ref, offset, length, answered } });
  }
  await source.check(response);
}

async function checkWhole(source: BodySource, response: HttpResponse): Promise<void> {
  checkEncoding(source, response);
  const declared = response.header('content-length');
  if (declared !== undefined && Number(declared) !== source.image.imageBytes)
    throw sizeChanged(source, Number(declared));
  await source.check(response);
}

function checkEncoding({ image, what }: BodySource, response: HttpResponse): void {
  const encoding = response.header('content-encoding') ?? 'identity';
  if (encoding === 'identity') return;
  const message = `${what}: the origin sends it encoded (${encoding}), which was not asked for: switch that off for images`;
  throw new OriginError('ORIGIN_BAD_ANSWER', message, { details: { ref: image.ref, encoding } });
}

function sizeChanged({ image, what }: BodySource, actual: number): OriginError {
  const message = `${what}: it has ${actual} bytes now, and had ${image.imageBytes} when it was described`;
  return new OriginError('ORIGIN_CHANGED', message, {
    details: { ref: image.ref, expected: image.imageBytes, actual },
  });
}

/** `length` bytes after `offset` of a body that must have `imageBytes`; a range that ends with it is read to its very end. */
async function* exactly(
  response: HttpResponse,
  what: string,
  { offset, length, imageBytes }: { readonly offset: number; readonly length: number; readonly imageBytes: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const end = offset + length;
  let at = 0;
  for await (const buffer of response.read()) {
    const start = at;
    at += buffer.length;
    if (at > imageBytes) {
      const message = `${what}: the body goes on after the ${imageBytes} bytes that there should be`;
      throw new OriginError('ORIGIN_CHANGED', message, { details: { expected: imageBytes } });
    }
    const wanted = buffer.subarray(Math.max(0, offset - start), Math.max(0, end - start));
    if (wanted.length > 0) yield wanted;
    if (at >= end && end < imageBytes) return;
  }
  if (at < imageBytes) {
    const message = `${what}: the body ended after ${at} of ${imageBytes} bytes`;
    throw new OriginError('ORIGIN_TRUNCATED', message, {
      details: { expected: imageBytes, actual: at },
      canRetry: true,
    });
  }
}
