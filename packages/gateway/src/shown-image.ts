import { domain, imageRef, publicDomain, type Domain, type ImageHash, type ImageRef } from '@quarry/content';
import { errorCode, type Clock } from '@quarry/runtime';
import { GatewayError } from './gateway-error.ts';
import { endToEndHeaders, type RawHeaders } from './headers.ts';
import type { GatewayNumbers } from './options.ts';
import type { GlanceImage, PendingImage } from './ports/image-service.ts';
import { readAnswer } from './relay-body.ts';
import type { Upstream } from './upstream.ts';

/** What Glance has just said of an image, as far as it matters here. */
export interface ImageRecord extends PendingImage {
  /** `queued`, `saving`, `active`, `deactivated`, … */
  readonly status: string;
  /** Undefined while there is no data. */
  readonly imageBytes: number | undefined;
  /** Undefined while there is no data, and where the image has none that we compute. */
  readonly hash: ImageHash | undefined;
  /** MD5 in lower-case hex, which Glance repeats as `Content-Md5`. Proves nothing. */
  readonly checksum: string | undefined;
}

/** What Glance answered to somebody who asked what an image is. */
export interface ShownImage {
  readonly status: number;
  /** Undefined unless the status is 200. */
  readonly record: ImageRecord | undefined;
}

/**
 * Asks Glance what an image is, with the headers of a caller's request for it.
 * @throws GatewayError as Upstream.request, GATEWAY_BAD_ANSWER where a 200 is no record of this image, and the signal's reason
 */
export async function showImage(
  {
    upstream,
    clock,
    numbers,
  }: { readonly upstream: Upstream; readonly clock: Clock; readonly numbers: GatewayNumbers },
  { ref, path, rawHeaders }: { readonly ref: ImageRef; readonly path: string; readonly rawHeaders: RawHeaders },
  { signal }: { readonly signal: AbortSignal },
): Promise<ShownImage> {
  const answer = await upstream.request({
    method: 'GET',
    path,
    rawHeaders: [
      ...endToEndHeaders(rawHeaders, OF_THE_DATA),
      'Accept',
      'application/json',
      'Accept-Encoding',
      'identity',
    ],
    signal,
  });
  const body = await readAnswer(answer, numbers.maxRecordBytes, { clock, stallMs: numbers.stallMs });
  if (answer.status !== 200) return { status: answer.status, record: undefined };
  return { status: 200, record: parseImageRecord(body.toString(), ref) };
}

/** These are of the request that brought us here, not of who sent it. */
const OF_THE_DATA = ['accept', 'accept-encoding', 'content-length', 'content-range', 'content-type', 'expect', 'range'];

/** Glance's names are those of Python's hashlib. */
const ALGORITHMS: Readonly<Record<string, { readonly algorithm: ImageHash['algorithm']; readonly digits: number }>> = {
  sha512: { algorithm: 'sha512', digits: 128 },
  sha384: { algorithm: 'sha384', digits: 96 },
  sha256: { algorithm: 'sha256', digits: 64 },
  blake2b: { algorithm: 'blake2b512', digits: 128 },
};

/** @throws GatewayError GATEWAY_BAD_ANSWER where it is no record of the image `ref` */
export function parseImageRecord(json: string, ref: ImageRef): ImageRecord {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = Object(JSON.parse(json)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw notARecord(ref, `it is no JSON (${errorCode(cause) ?? 'syntax'})`);
  }
  const text = (name: string): string | undefined => {
    const value = record[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const { size } = record;
  const status = text('status');
  if (text('id') !== ref) throw notARecord(ref, 'it has another id');
  if (status === undefined) throw notARecord(ref, 'it has no status');
  return {
    ref,
    domain: domainOf(ref, text('visibility'), text('owner')),
    baseImage: baseImageOf(text('base_image_ref')),
    instance: text('instance_uuid'),
    status,
    imageBytes: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined,
    hash: hashOf(text('os_hash_algo'), text('os_hash_value')),
    checksum: /^[0-9a-f]{32}$/.exec(text('checksum')?.toLowerCase() ?? '')?.[0],
  };
}

/** Whether two images have the same bytes, whatever they are called. */
export function isSameContent(one: GlanceImage, other: GlanceImage): boolean {
  return (
    one.imageBytes === other.imageBytes &&
    one.hash.algorithm === other.hash.algorithm &&
    one.hash.value === other.hash.value
  );
}

/** The image of a record that binds content; undefined where it has no data yet, or no hash that we compute. */
export function boundImage({ imageBytes, hash, ...image }: ImageRecord): GlanceImage | undefined {
  if (imageBytes === undefined || hash === undefined) return undefined;
  const { ref, domain: whose, baseImage, instance } = image;
  return { ref, domain: whose, baseImage, instance, imageBytes, hash };
}

/** Who may share chunks with whom follows from who may see the image. */
function domainOf(ref: ImageRef, visibility: string | undefined, owner: string | undefined): Domain {
  if (visibility === 'public' || visibility === 'community') return publicDomain;
  try {
    return domain(`project:${owner ?? 'unowned'}`);
  } catch {
    throw notARecord(ref, 'its owner is no project that a domain can be named after');
  }
}

/** Set by whoever made the image: it may be anything. */
function baseImageOf(text: string | undefined): ImageRef | undefined {
  return text !== undefined && /^[0-9a-f-]{36}$/.test(text) ? imageRef(text) : undefined;
}

function hashOf(algorithm: string | undefined, value: string | undefined): ImageHash | undefined {
  const known = algorithm === undefined || !Object.hasOwn(ALGORITHMS, algorithm) ? undefined : ALGORITHMS[algorithm];
  const hex = value?.toLowerCase();
  if (!known || hex?.length !== known.digits || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return { algorithm: known.algorithm, value: hex };
}

function notARecord(ref: ImageRef, why: string): GatewayError {
  return new GatewayError('GATEWAY_BAD_ANSWER', `what Glance says of image ${ref} is no record of it: ${why}`, {
    details: { ref },
  });
}
