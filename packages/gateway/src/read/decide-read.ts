import type { GlanceImage } from '../ports/image-service.ts';
import { boundImage, type ImageRecord, type ShownImage } from '../shown-image.ts';

/** What of a request for an image's data decides how it is answered. */
export interface ReadRequest {
  /** Repeated ones joined by commas. */
  readonly range: string | undefined;
  /** The old spelling of `Range`, which Glance still knows. */
  readonly hasContentRange: boolean;
  readonly hasBody: boolean;
}

/** Which bytes of an image. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
  /** Not a range at all: the whole was asked for. */
  readonly isWhole: boolean;
}

/** Glance answers the request as it is. `reason` is for the audit. */
export interface PassRead {
  readonly kind: 'pass';
  readonly reason: string;
}

export type ReadStep =
  | PassRead
  /** Ask Glance whether this caller may have the data: see probeRange. */
  | {
      readonly kind: 'probe';
      readonly image: GlanceImage;
      readonly checksum: string | undefined;
      readonly range: ByteRange;
    };

/** What becomes of a read, by what Glance showed of the image. Whatever is odd is for Glance to answer. */
export function decideRead(request: ReadRequest, shown: ShownImage, minImageBytes: number): ReadStep {
  // Glance judges it, and says 204, 400, 403, 404 or 416 in its own words.
  const refusal = findRefusal(request, shown, minImageBytes);
  if (refusal !== undefined) return { kind: 'pass', reason: refusal };
  const { record } = shown as { readonly record: ImageRecord };
  const image = boundImage(record);
  if (!image) return { kind: 'pass', reason: 'no-hash' };
  const range = findRange(request.range, image.imageBytes);
  if (!range) return { kind: 'pass', reason: 'odd-range' };
  return { kind: 'probe', image, checksum: record.checksum, range };
}

function findRefusal(request: ReadRequest, { status, record }: ShownImage, minImageBytes: number): string | undefined {
  if (request.hasBody) return 'has-body';
  if (request.hasContentRange) return 'content-range';
  if (status !== 200) return 'not-shown';
  if (!record) return 'odd-record';
  if (record.status !== 'active') return 'not-active';
  if (record.imageBytes === undefined || record.imageBytes === 0) return 'no-data';
  return record.imageBytes < minImageBytes ? 'small' : undefined;
}

/** The request that Glance answers with 416 if, and only if, the caller may read the image: it looks at policy and status first, at the range next, and at the data last. */
export function probeRange(image: Pick<GlanceImage, 'imageBytes'>): string {
  return `bytes=${image.imageBytes}-`;
}

/** What an answer to the probe means. */
export function decideByProbe(status: number): PassRead | { readonly kind: 'allowed' | 'refused' } {
  if (status === 416) return { kind: 'allowed' };
  if (status === 401 || status === 403 || status === 404) return { kind: 'refused' };
  return { kind: 'pass', reason: 'unclear-probe' };
}

/** The bytes that a `Range` asks for; undefined where Glance is to judge it: several ranges, none that can be satisfied, or another spelling. */
export function findRange(header: string | undefined, imageBytes: number): ByteRange | undefined {
  if (header === undefined) return { offset: 0, length: imageBytes, isWhole: true };
  const [, first, last, suffix] = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/.exec(header) ?? [];
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), imageBytes);
    return length === 0 ? undefined : { offset: imageBytes - length, length, isWhole: false };
  }
  if (first === undefined) return undefined;
  const offset = Number(first);
  const end = last === undefined || last === '' ? imageBytes : Math.min(Number(last) + 1, imageBytes);
  return offset < end ? { offset, length: end - offset, isWhole: false } : undefined;
}

/** Status and headers as Glance 25.1 sends them, in its order and case. */
export function servedHead(
  { image, checksum, range }: Extract<ReadStep, { readonly kind: 'probe' }>,
  { requestId, date }: { readonly requestId: string | undefined; readonly date: Date },
): { readonly status: 200 | 206; readonly message: string; readonly headers: readonly string[] } {
  const { offset, length, isWhole } = range;
  const headers = ['Content-Type', 'application/octet-stream'];
  if (!isWhole) headers.push('Content-Range', `bytes ${offset}-${offset + length - 1}/${image.imageBytes}`);
  if (checksum !== undefined) headers.push('Content-Md5', checksum);
  headers.push('Content-Length', `${length}`);
  if (requestId !== undefined) headers.push('X-Openstack-Request-Id', requestId);
  headers.push('Date', date.toUTCString());
  return isWhole ? { status: 200, message: 'OK', headers } : { status: 206, message: 'Partial Content', headers };
}
