import {
  domain,
  imageRef,
  publicDomain,
  type Domain,
  type ImageHash,
  type ImageRef,
  type OriginImage,
} from '@quarry/content';
import { isGlanceId } from './glance-id.ts';
import { OriginError } from './origin-error.ts';

/** What Glance says of an image (`GET /v2/images/{id}`), as far as it matters here. */
export interface GlanceRecord {
  readonly ref: ImageRef;
  readonly name: string;
  readonly status: string;
  /** Undefined while there is no data. */
  readonly imageBytes: number | undefined;
  readonly hash: ImageHash | undefined;
  /** MD5 of the whole image, lower-case hex; Glance repeats it with each answer that carries data. Tells a change, proves nothing. */
  readonly checksum: string | undefined;
  readonly format: string | undefined;
  /** `public` for what everybody may see, else the owner's; undefined where there is no owner (a Glance without Keystone). */
  readonly domain: Domain | undefined;
  readonly createdAt: string;
}

/** Glance's names are those of Python's hashlib. */
const ALGORITHMS: Readonly<Record<string, { readonly algorithm: ImageHash['algorithm']; readonly digits: number }>> = {
  sha512: { algorithm: 'sha512', digits: 128 },
  sha384: { algorithm: 'sha384', digits: 96 },
  sha256: { algorithm: 'sha256', digits: 64 },
  blake2b: { algorithm: 'blake2b512', digits: 128 },
};

/** @throws OriginError ORIGIN_BAD_ANSWER where it is no record of an image */
export function parseGlanceRecord(json: unknown): GlanceRecord {
  if (typeof json !== 'object' || json === null) throw notARecord('it is no object');
  const record = json as Readonly<Record<string, unknown>>;
  const text = (name: string): string | undefined => {
    const value = record[name];
    return typeof value === 'string' ? value : undefined;
  };
  const id = text('id');
  const status = text('status');
  const { size } = record;
  if (id === undefined || !isGlanceId(id)) throw notARecord('it has no id');
  if (status === undefined) throw notARecord('it has no status');
  const hasSize = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0;
  if (!hasSize && size !== null && size !== undefined) throw notARecord(`its size is ${JSON.stringify(size)}`);
  const name = text('name');
  return {
    ref: imageRef(id),
    name: name === undefined || name === '' ? id : name,
    status,
    imageBytes: hasSize ? size : undefined,
    hash: hashOf(text('os_hash_algo'), text('os_hash_value')),
    checksum: /^[0-9a-f]{32}$/.exec(text('checksum')?.toLowerCase() ?? '')?.[0],
    format: text('disk_format'),
    domain: domainOf(text('visibility'), text('owner')),
    createdAt: text('created_at') ?? '',
  };
}

/** Who may share chunks with whom follows from who may see the image. @throws OriginError ORIGIN_BAD_ANSWER for an owner no domain can be named after */
function domainOf(visibility: string | undefined, owner: string | undefined): Domain | undefined {
  if (visibility === 'public' || visibility === 'community') return publicDomain;
  if (owner === undefined || owner === '') return undefined;
  try {
    return domain(`project:${owner}`);
  } catch {
    throw notARecord(`its owner is ${JSON.stringify(owner.slice(0, 100))}`);
  }
}

/** The image a record describes. @throws OriginError where its data cannot be read in this status */
export function imageOf(record: GlanceRecord): OriginImage {
  const { ref, name, status, imageBytes, hash, format, domain: whose } = record;
  const details = { ref, status };
  switch (status) {
    case 'active':
      if (imageBytes === undefined) throw notARecord(`image ${ref} is active and has no size`);
      return { ref, name, imageBytes, hash, domain: whose, format, version: versionOf(record, imageBytes) };
    case 'deactivated':
      throw new OriginError('ORIGIN_FORBIDDEN', `image ${ref} is deactivated: an administrator can reactivate it`, {
        details,
      });
    case 'deleted':
    case 'pending_delete':
      throw new OriginError('ORIGIN_GONE', `image ${ref} is deleted (${status})`, { details });
    default:
      throw new OriginError('ORIGIN_NO_DATA', `image ${ref} has no data yet: it is ${status}`, { details });
  }
}

/** The checksum in a version that `imageOf` made. */
export function checksumIn(version: string): string | undefined {
  return /;md5=([0-9a-f]{32})$/.exec(version)?.[1];
}

/** Content is bound by (os_hash_algo, os_hash_value, size), not by the id: whoever creates an image may choose its id. */
function versionOf({ hash, checksum, createdAt }: GlanceRecord, imageBytes: number): string {
  const content = hash ? `${hash.algorithm}=${hash.value}` : `created=${createdAt.replaceAll(/\s/g, '')}`;
  return `${content};size=${imageBytes}${checksum === undefined ? '' : `;md5=${checksum}`}`;
}

function hashOf(algorithm: string | undefined, value: string | undefined): ImageHash | undefined {
  const known = algorithm === undefined || !Object.hasOwn(ALGORITHMS, algorithm) ? undefined : ALGORITHMS[algorithm];
  const hex = value?.toLowerCase();
  if (!known || hex?.length !== known.digits || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return { algorithm: known.algorithm, value: hex };
}

export function notARecord(why: string): OriginError {
  return new OriginError(
    'ORIGIN_BAD_ANSWER',
    `the answer is not a record of Glance: ${why}. Is the URL that of Glance itself?`,
    {
      details: { why },
    },
  );
}
