import { errorCode } from '@quarry/runtime';
import type { errors, Pool } from 'undici';
import type { Call } from './call-scope.ts';
import { originDefaults } from './options.ts';
import { OriginError } from './origin-error.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD';
  /** After the base URL, with its leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is asked for, for people. */
  readonly what: string;
}

export interface HttpResponse {
  readonly status: number;
  /** By lower-case name; undefined if absent or given more than once. */
  header(name: string): string | undefined;
  /** The body, to be read once. Rejects with ORIGIN_TRUNCATED where it breaks off, ORIGIN_STALLED where nothing comes. */
  read(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Throws the body away; a small one is read to its end, so that the connection can be used again. */
  discard(): Promise<void>;
}

export interface HttpClient {
  /** Resolves when the headers are there, whatever the status. Rejects with ORIGIN_UNAVAILABLE, ORIGIN_STALLED, ORIGIN_BAD_ANSWER. */
  request(request: HttpRequest, call: Call): Promise<HttpResponse>;
  close(): Promise<void>;
}

const TLS_ERROR = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/;

/**
 * HTTP/1.1 to one origin. No redirect is followed: it could lead a token, or a reader, anywhere. Nothing is retried. There is no limit
 * to the connections: one that waited for its turn would look like an origin that is silent. `ca`: PEM, instead of the authorities of the system.
 */
export function createHttpClient(
  baseUrl: string,
  { ca }: { readonly ca?: string | undefined } = {},
): HttpClient & { readonly url: string } {
  const base = parseBaseUrl(baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  // Silence is measured by the call, with the clock it was given.
  const options: Pool.Options = {
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    keepAliveTimeout: 4_000,
    ...(ca !== undefined && { connect: { ca } }),
  };
  let opened: Promise<{ readonly pool: Pool; readonly errors: HttpErrors }> | undefined;
  // Not before it is needed: undici is a third of a node's code, and most nodes never speak to an origin over HTTP.
  // By its default export: that of a CommonJS module is all a bundle keeps.
  const open = (): NonNullable<typeof opened> =>
    (opened ??= import('undici').then(({ default: undici }) => ({
      pool: new undici.Pool(base.origin, options),
      errors: undici.errors,
    })));

  return {
    url: base.origin + prefix,
    async request({ method, path, headers = {}, what }, call) {
      const { pool, errors: httpErrors } = await open();
      const isNotHttp = (cause: unknown): boolean =>
        cause instanceof httpErrors.HTTPParserError || cause instanceof httpErrors.HeadersOverflowError;
      const ending = new AbortController();
      const sent = pool.request({
        method,
        path: prefix + path,
        headers: { 'accept-encoding': 'identity', 'user-agent': 'quarry', ...headers },
        signal: ending.signal,
        reset: false, // else undici ends the connection after each HEAD, for servers that send a body with it
        highWaterMark: originDefaults.bodyBufferBytes,
      });
      try {
        const { statusCode, headers: answered, body } = await call.wait(sent, what);
        body.on('error', () => {}); // whoever reads it is told; whoever left does not care
        return responseOf(statusCode, answered, body, { what, call, isNotHttp });
      } catch (cause) {
        ending.abort();
        throw requestError(cause, base.origin, { what, call, isNotHttp });
      }
    },
    async close() {
      await (await opened)?.pool.destroy();
    },
  };
}

type Body = Awaited<ReturnType<Pool['request']>>['body'];
type HttpErrors = typeof errors;

/** What the parts of one exchange share. */
interface Exchange {
  readonly what: string;
  readonly call: Call;
  readonly isNotHttp: (cause: unknown) => boolean;
}

function responseOf(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Body,
  exchange: Exchange,
): HttpResponse {
  const { what, call } = exchange;
  return {
    status,
    header(name) {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    },
    async *read() {
      const chunks = body[Symbol.asyncIterator]();
      let receivedBytes = 0;
      try {
        for (;;) {
          const { done, value } = await call.wait(chunks.next() as Promise<IteratorResult<Buffer, undefined>>, what);
          if (done) return;
          receivedBytes += value.length;
          yield value;
        }
      } catch (cause) {
        throw bodyError(cause, receivedBytes, exchange);
      } finally {
        body.destroy();
      }
    },
    async discard() {
      await call.wait(body.dump({ limit: 64 * 1024 }), what).catch(() => body.destroy());
    },
  };
}

function requestError(cause: unknown, origin: string, { what, call, isNotHttp }: Exchange): unknown {
  if (call.signal.aborted) return call.signal.reason;
  if (cause instanceof OriginError) return cause;
  const code = errorCode(cause) ?? '';
  const details = { origin, code };
  if (isNotHttp(cause))
    return new OriginError('ORIGIN_BAD_ANSWER', `${what}: ${origin} does not speak HTTP`, { details, cause });
  if (TLS_ERROR.test(code)) {
    const message = `${what}: the certificate of ${origin} is not trusted (${code}): look at its name, its date and who signed it`;
    return new OriginError('ORIGIN_UNAVAILABLE', message, { details, cause });
  }
  const said = cause instanceof Error ? cause.message : String(cause);
  const message = `${what}: ${origin} cannot be reached (${code || said}): is it running, and is the URL right?`;
  return new OriginError('ORIGIN_UNAVAILABLE', message, { details, cause, canRetry: true });
}

function bodyError(cause: unknown, receivedBytes: number, { what, call, isNotHttp }: Exchange): unknown {
  if (call.signal.aborted) return call.signal.reason;
  if (cause instanceof OriginError) return cause;
  const code = errorCode(cause) ?? '';
  const details = { receivedBytes, code };
  if (isNotHttp(cause))
    return new OriginError('ORIGIN_BAD_ANSWER', `${what}: the body is not valid HTTP`, { details, cause });
  const message = `${what}: the connection ended after ${receivedBytes} bytes of the body, before it was whole (${code})`;
  return new OriginError('ORIGIN_TRUNCATED', message, { details, cause, canRetry: true });
}

function parseBaseUrl(text: string): URL {
  const bad = (why: string): OriginError =>
    // The text itself may hold a password.
    new OriginError('ORIGIN_BAD_URL', `the origin's URL ${why}`);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw bad('is not a URL: give one like http://controller:9292');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw bad(`begins with ${url.protocol}, not http: or https:`);
  if (url.username !== '' || url.password !== '') throw bad('has a user or password in it: they would end up in logs');
  if (url.search !== '' || url.hash !== '') throw bad('has a query or a fragment: give the base alone');
  return url;
}
