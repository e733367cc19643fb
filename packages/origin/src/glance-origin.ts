import type { ImageRef, Origin, OriginImage } from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import { rangeOf } from './byte-range.ts';
import { createCallScope, type Call } from './call-scope.ts';
import { changedError } from './directory-origin.ts';
import { isGlanceId } from './glance-id.ts';
import { checksumIn, imageOf, notARecord, parseGlanceRecord } from './glance-record.ts';
import { createHttpClient, type HttpResponse } from './http-client.ts';
import { httpStatus } from './http-status.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';
import { createRangeMemory, failed, readBody } from './read-body.ts';

export interface GlanceOriginDeps {
  readonly clock: Clock;
  /** The Keystone token to send, asked for before every request; undefined where Glance wants none. It goes into no message and no log. */
  readonly token?: (() => Promise<string | undefined>) | undefined;
}

/** Glance for whoever has the token it was made with, and for others. */
export interface GlanceOrigin extends Origin {
  /**
   * The same Glance asked with other headers instead (a caller's tokens): what it may read is what they may. Shares connections; closing it does nothing.
   * @throws TypeError for a header that cannot be sent
   */
  askedWith(headers: Readonly<Record<string, string>>): Origin;
}

export interface GlanceOriginOptions {
  /** Glance's endpoint, with or without `/v2`: `http://controller:9292`. */
  readonly url: string;
  readonly idleTimeoutMs?: number;
  /** Authorities (PEM) that may vouch for Glance; default: those of the system. */
  readonly ca?: string | undefined;
  /** How much `open` throws away to get to an offset in a store without ranges (Ceph, Swift, S3). */
  readonly maxDiscardBytes?: number;
}

/**
 * Glance's image API v2. Ranges work where the store behind it can (file, cinder); elsewhere it answers 400, and the whole is read. A
 * range costs some 18 ms whatever its length: ask for megabytes.
 */
export function createGlanceOrigin({ clock, token }: GlanceOriginDeps, options: GlanceOriginOptions): GlanceOrigin {
  const { idleTimeoutMs = originDefaults.idleTimeoutMs, maxDiscardBytes = originDefaults.maxDiscardBytes } = options;
  const kind = 'glance';
  const client = createHttpClient(options.url.replace(/\/v2\/*$/, ''), { ca: options.ca });
  const scope = createCallScope(clock, idleTimeoutMs, kind);
  const ranges = createRangeMemory();

  const ownHeaders = async (call: Call): Promise<Readonly<Record<string, string>>> => {
    const secret = token && (await call.wait(token(), 'getting a token'));
    return secret === undefined ? {} : tokenHeader(secret);
  };
  const askedBy = (credentials: (call: Call) => Promise<Readonly<Record<string, string>>>): Omit<Origin, 'close'> => {
    const get = async (
      path: string,
      what: string,
      headers: Readonly<Record<string, string>>,
      call: Call,
    ): Promise<HttpResponse> => {
      const secrets = await credentials(call);
      return await client.request(
        {
          method: 'GET',
          path: `/v2/images${path}`,
          what,
          headers: { ...headers, ...secrets },
        },
        call,
      );
    };
    const getJson = async (path: string, what: string, call: Call): Promise<unknown> => {
      const response = await get(path, what, { accept: 'application/json' }, call);
      if (response.status !== httpStatus.ok) throw await failed(response, what, { url: client.url });
      return await readJson(response, what);
    };
    const describe = async (ref: ImageRef, call: Call): Promise<OriginImage> => {
      checkId(ref);
      const record = parseGlanceRecord(await getJson(`/${ref}`, `image ${ref} of Glance`, call));
      if (record.ref !== ref) throw notARecord(`asked for ${ref}, it is that of ${record.ref}`);
      return imageOf(record);
    };
    const canRange = ({ ref }: OriginImage): boolean => ranges.find(ref) !== false;
    /** The id alone does not name the content. Where the headers do not tell, the record is asked again. */
    const check = async (image: OriginImage, response: HttpResponse, call: Call): Promise<void> => {
      const expected = checksumIn(image.version);
      const answered = response.header('content-md5')?.toLowerCase();
      if (expected !== undefined && answered !== undefined) {
        if (answered !== expected) throw changedError(image);
      } else if ((await describe(image.ref, call)).version !== image.version) throw changedError(image);
    };

    return {
      kind,
      describe: (ref, { signal } = {}) => scope.run(signal, (call) => describe(ref, call)),
      list: ({ signal } = {}) =>
        scope.stream(signal, async function* list(call) {
          const what = 'the list of images of Glance';
          let path: string | undefined =
            `?status=active&sort_key=created_at&sort_dir=asc&limit=${originDefaults.pageImages}`;
          while (path !== undefined) {
            const page = parsePage(await getJson(path, what, call));
            for (const json of page.images) {
              const record = parseGlanceRecord(json);
              if (record.status === 'active') yield imageOf(record);
            }
            path = page.images.length > 0 ? page.next : undefined;
          }
        }),
      open(image, { offset, length, signal } = {}) {
        const range = rangeOf(image, { offset, length });
        const what = `the data of image ${image.ref} of Glance`;
        return scope.stream(signal, async function* read(call) {
          checkId(image.ref);
          const accept = { accept: 'application/octet-stream' };
          yield* readBody(
            {
              image,
              what,
              ranges,
              canRange: canRange(image),
              maxDiscardBytes,
              refusesRangeBy: [httpStatus.badRequest],
              request: (headers) => get(`/${image.ref}/file`, what, { ...accept, ...headers }, call),
              check: (response) => check(image, response, call),
            },
            range,
          );
        });
      },
      canRange,
    };
  };

  return {
    ...askedBy(ownHeaders),
    askedWith: (headers) => ({ ...askedBy(async () => headers), async close() {} }),
    async close() {
      scope.close();
      await client.close();
    },
  };
}

function tokenHeader(token: string): Readonly<Record<string, string>> {
  if (/^[\x21-\x7e]+$/.test(token)) return { 'x-auth-token': token };
  const message = 'the token is empty, or has a character in it that no token has, such as a line break';
  throw new OriginError('ORIGIN_UNAUTHORIZED', message);
}

function checkId(ref: ImageRef): void {
  if (isGlanceId(ref)) return;
  throw new OriginError('ORIGIN_NOT_FOUND', `${JSON.stringify(ref)} is not an image id of Glance, which is a UUID`, {
    details: { ref },
  });
}

async function readJson(response: HttpResponse, what: string): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.read()) {
    bytes += part.length;
    if (bytes > originDefaults.maxRecordBytes)
      throw notARecord(`it has more than ${originDefaults.maxRecordBytes} bytes`);
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch (cause) {
    throw new OriginError('ORIGIN_BAD_ANSWER', `${what}: the answer is not JSON. Is the URL that of Glance itself?`, {
      cause,
    });
  }
}

function parsePage(json: unknown): { readonly images: readonly unknown[]; readonly next: string | undefined } {
  if (typeof json !== 'object' || json === null || !('images' in json) || !Array.isArray(json.images))
    throw notARecord('it is no list');
  const next = 'next' in json && typeof json.next === 'string' ? json.next : undefined;
  // Relative to Glance's own root. Nothing else is followed.
  if (next !== undefined && !next.startsWith('/v2/images?'))
    throw notARecord(`its next page is ${JSON.stringify(next.slice(0, 200))}`);
  return { images: json.images, next: next?.slice('/v2/images'.length) };
}
