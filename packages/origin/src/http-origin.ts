import type { ImageRef, Origin, OriginImage } from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import { rangeOf } from './byte-range.ts';
import { createCallScope, type Call } from './call-scope.ts';
import { changedError } from './directory-origin.ts';
import { createHttpClient, type HttpResponse } from './http-client.ts';
import { httpStatus } from './http-status.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';
import { createRangeMemory, failed, readBody } from './read-body.ts';

export interface HttpOriginOptions {
  /** What stands before an image's name: `https://mirror/images`. */
  readonly url: string;
  readonly idleTimeoutMs?: number;
  /** How much `open` throws away to get to an offset where the server has no ranges. */
  readonly maxDiscardBytes?: number;
}

/**
 * Images of a plain HTTP(S) server, called by their path below the base URL. A version is what the server tells of it: ETag,
 * Last-Modified and length. They are compared with every answer, and once more after the last byte, because a server goes on sending
 * when a file is written to in place. Where it tells neither ETag nor Last-Modified, parts of an image cannot be known to belong
 * together, so only the whole is read.
 */
export function createHttpOrigin({ clock }: { readonly clock: Clock }, options: HttpOriginOptions): Origin {
  const { idleTimeoutMs = originDefaults.idleTimeoutMs, maxDiscardBytes = originDefaults.maxDiscardBytes } = options;
  const kind = 'http';
  const client = createHttpClient(options.url);
  const scope = createCallScope(clock, idleTimeoutMs, kind);
  const ranges = createRangeMemory();

  const describe = async (ref: ImageRef, call: Call): Promise<OriginImage> => {
    const what = `${client.url}${pathOf(ref)}`;
    let response = await client.request({ method: 'HEAD', path: pathOf(ref), what }, call);
    if (response.status === httpStatus.methodNotAllowed || response.status === httpStatus.notImplemented) {
      await response.discard();
      response = await client.request(
        { method: 'GET', path: pathOf(ref), what, headers: { range: 'bytes=0-0' } },
        call,
      );
    }
    if (response.status !== httpStatus.ok && response.status !== httpStatus.partialContent)
      throw await failed(response, what, { ref });
    const imageBytes = sizeOf(response);
    const version = versionOf(response, imageBytes);
    const accepts = response.header('accept-ranges')?.toLowerCase();
    await response.discard();
    if (imageBytes === undefined || version === undefined) {
      const message = `${what}: the server does not say how large it is (no Content-Length), so nobody could tell whether it is whole`;
      throw new OriginError('ORIGIN_BAD_ANSWER', message, { details: { ref } });
    }
    if (accepts === 'none' || !isPinned(version)) ranges.learn(ref, false);
    else if (ranges.find(ref) === false && accepts === 'bytes') ranges.learn(ref, true);
    return { ref, name: ref, imageBytes, hash: undefined, format: undefined, version };
  };

  const canRange = ({ ref, version }: OriginImage): boolean => isPinned(version) && ranges.find(ref) !== false;

  return {
    kind,
    describe: (ref, { signal } = {}) => scope.run(signal, (call) => describe(ref, call)),
    list: ({ signal } = {}) =>
      scope.stream(signal, async function* list() {
        yield* []; // nothing ever comes
        const message = `a plain HTTP server cannot say what images it has (${client.url}): name them`;
        throw new OriginError('ORIGIN_NO_LISTING', message, { details: { url: client.url } });
      }),
    open(image, { offset, length, signal } = {}) {
      const range = rangeOf(image, { offset, length });
      return scope.stream(signal, async function* read(call) {
        const path = pathOf(image.ref);
        const what = `${client.url}${path}`;
        const request = (headers: Readonly<Record<string, string>>): Promise<HttpResponse> =>
          client.request({ method: 'GET', path, what, headers }, call);
        const check = async (response: HttpResponse): Promise<void> => {
          if (versionOf(response, image.imageBytes) !== image.version) throw changedError(image);
        };
        const source = { image, what, ranges, maxDiscardBytes, refusesRangeBy: [], request, check };
        yield* readBody({ ...source, canRange: canRange(image) }, range);
        if ((await describe(image.ref, call)).version !== image.version) throw changedError(image);
      });
    },
    canRange,
    async close() {
      scope.close();
      await client.close();
    },
  };
}

/** A ref is a path below the base; nothing in it can lead out. */
function pathOf(ref: ImageRef): string {
  const segments = ref.split('/');
  if (!segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return `/${segments.map(encodeURIComponent).join('/')}`;
  }
  const message = `${JSON.stringify(ref)} is not a path below the origin's URL`;
  throw new OriginError('ORIGIN_NOT_FOUND', message, { details: { ref } });
}

function sizeOf(response: HttpResponse): number | undefined {
  const partial = response.status === httpStatus.partialContent;
  const text = partial
    ? /\/(\d+)$/.exec(response.header('content-range') ?? '')?.[1]
    : response.header('content-length');
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function versionOf(response: HttpResponse, imageBytes: number | undefined): string | undefined {
  if (imageBytes === undefined) return undefined;
  const etag = response.header('etag');
  const modified = response.header('last-modified');
  return [`size=${imageBytes}`, ...(etag ? [`etag=${etag}`] : []), ...(modified ? [`modified=${modified}`] : [])].join(
    ';',
  );
}

/** Whether two answers of the same version have the same bytes: a weak ETag only says that they mean the same (RFC 9110, 8.8.1). */
function isPinned(version: string): boolean {
  return version.includes(';etag="') || version.includes(';modified=');
}
