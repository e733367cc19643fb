import { readFileSync } from 'node:fs';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { errorCode, type Clock } from '@quarry/runtime';
import { GatewayError, type GatewayErrorCode } from './gateway-error.ts';
import { endToEndHeaders, findHeader, type RawHeaders } from './headers.ts';
import { holdWriteErrors } from './hold-write-errors.ts';
import { gatewayDefaults, type GatewayNumbers } from './options.ts';
import { sendBody } from './send-body.ts';
import { createStallWatch } from './stall-watch.ts';

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly path: string;
  /** As the client sent them; what belongs to its connection alone is left out here. */
  readonly rawHeaders: RawHeaders;
  /** Sent with the `Content-Length` among the headers, else chunked. Without one nothing is sent. Never destroyed here. */
  readonly body?: AsyncIterable<Uint8Array> | Readable | undefined;
  /** Called with each buffer of the body when the system has taken it. */
  readonly onDone?: ((bytes: Uint8Array) => void) | undefined;
  readonly signal: AbortSignal;
  /** Glance says that the body is welcome (`100 Continue`). */
  readonly onContinue?: () => void;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly statusMessage: string;
  /** In the order and the case in which they were sent, those of the connection included. */
  readonly rawHeaders: RawHeaders;
  /** By lower-case name; the first of repeated ones. */
  header(name: string): string | undefined;
  /** To be read, or destroyed. Ends, or errors where the connection broke. Nothing watches over its silence: see relayBody and readAnswer. */
  readonly body: Readable;
}

export interface Upstream {
  /** Scheme, host and port, and whatever path Glance is under. */
  readonly url: string;
  /**
   * Resolves when the headers of the answer are there, whatever the status; a body may still be on its way then. No redirect is followed.
   * @throws GatewayError GATEWAY_GLANCE_UNREACHABLE, GATEWAY_STALLED, GATEWAY_BAD_ANSWER (`canRetry` says whether the client may ask again), what the
   * body rejects with, and the signal's reason
   */
  request(request: UpstreamRequest): Promise<UpstreamAnswer>;
  /** Breaks off what is under way. */
  close(): void;
}

export interface UpstreamOptions extends Partial<Pick<GatewayNumbers, 'stallMs' | 'answerMs'>> {
  /** Where the real Glance is. A path is put before each request's. */
  readonly url: string;
  /** Authorities that may vouch for Glance, as PEM; default: those of the system. */
  readonly caFile?: string | undefined;
  /**
   * `client` (default) sends on the client's `Host`, so that the links Glance makes of it lead to where the client came from. `glance` sends Glance's
   * own: for a front that tells sites apart by name; links then lead past the gateway.
   */
  readonly host?: 'client' | 'glance' | undefined;
}

/** May be sent again without harm, by us as by the client (RFC 9110, 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Without a length these would be sent chunked by Node. */
const EXPECTS_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** HTTP/1.1 to one Glance, header for header as the client sent them. */
export function createUpstream(deps: { readonly clock: Clock }, options: UpstreamOptions): Upstream {
  const { clock } = deps;
  const { stallMs, answerMs, maxHeaderBytes } = { ...gatewayDefaults, ...defined(options) };
  const base = parseUrl(options.url);
  const prefix = base.pathname.replace(/\/+$/, '');
  const isTls = base.protocol === 'https:';
  const host = base.hostname.replace(/^\[|\]$/g, '');
  const ca = isTls && options.caFile !== undefined ? readAuthorities(options.caFile) : undefined;
  // Named here: Node would take it from the Host header, which is the client's.
  const tls = isTls ? { rejectUnauthorized: true, ...(ca && { ca }), servername: isIP(host) ? '' : host } : {};
  const Agent = isTls ? https.Agent : http.Agent;
  const maxFreeSockets = gatewayDefaults.maxIdleUpstreamConnections;
  const common = { ...tls, maxSockets: Infinity, noDelay: true, highWaterMark: gatewayDefaults.socketBufferBytes };
  const kept = new Agent({ ...common, keepAlive: true, maxFreeSockets, scheduling: 'lifo' });
  // What must not be sent twice gets a connection of its own: a kept one may just be closed by the other side, and nobody could tell what arrived.
  // Not one that says `Connection: close`: a server that answers in the middle of a body would then close on what it has not read, and the reset that
  // follows can overtake its answer.
  const fresh = new Agent({ ...common, keepAlive: true });
  fresh.maxFreeSockets = 0; // as an option 0 counts for none given
  const closing = new AbortController();

  const send = ({ method, path, rawHeaders, body, onDone, signal, onContinue }: UpstreamRequest, agent: http.Agent) =>
    new Promise<UpstreamAnswer>((resolve, reject) => {
      const isSafe = SAFE.has(method);
      let isConnected = false;
      let isSettled = false;
      let answered: IncomingMessage | undefined;
      const headers = messageHeaders(rawHeaders, method, body !== undefined, options.host === 'glance' && base.host);
      const sent: ClientRequest = (isTls ? https : http).request({
        host,
        port: base.port || (isTls ? 443 : 80),
        method,
        path: path.startsWith('/') ? prefix + path : path,
        headers,
        agent,
        setHost: false,
        maxHeaderSize: maxHeaderBytes,
      });
      const fail = (code: GatewayErrorCode, why: string, cause?: unknown): GatewayError => {
        const message = `${base.origin}: ${why} (${method})`;
        const details = { glance: base.origin, method, isConnected };
        return new GatewayError(code, message, { details, cause: bare(cause), canRetry: isSafe || !isConnected });
      };
      const end = (reason: unknown): void => {
        if (answered) answered.destroy(reason instanceof Error ? reason : undefined);
        else sent.destroy();
        settle(() => reject(reason));
      };
      const onAbort = (): void => end(signal.aborted ? signal.reason : closing.signal.reason);
      const settle = (how: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        how();
      };
      const stop = (): void => {
        watch.close();
        signal.removeEventListener('abort', onAbort);
        closing.signal.removeEventListener('abort', onAbort);
      };
      const silent = (): void => {
        const what = isConnected ? 'does not go on' : 'does not accept the connection';
        end(fail('GATEWAY_STALLED', `Glance ${what}; is it overloaded?`));
      };
      const watch = createStallWatch(clock, isSafe ? answerMs : stallMs, silent);
      watch.await();
      signal.addEventListener('abort', onAbort, { once: true });
      closing.signal.addEventListener('abort', onAbort, { once: true });

      sent.on('socket', (socket) => {
        if (body !== undefined) holdWriteErrors(socket, clock, stallMs); // it is of this request alone
        const ready = (): void => {
          isConnected = true;
          // Others may take as long as they like to be carried out; only a body that is not accepted is a stall.
          if (isSafe) watch.moved();
          else watch.rest();
        };
        if (socket.connecting) socket.once(isTls ? 'secureConnect' : 'connect', ready);
        else ready();
      });
      sent.on('continue', () => onContinue?.());
      sent.on('response', (answer) => {
        answered = answer;
        watch.close();
        answer.on('error', () => {}); // whoever reads it hears of it as well; nobody need
        answer.once('close', () => {
          stop();
          // Who has answered in the middle of the body may not read on: whoever waits for that is freed.
          if (!sent.writableEnded) sent.destroy();
        });
        settle(() => resolve(answerOf(answer)));
      });
      sent.on('error', (error) => {
        const isNotHttp = errorCode(error)?.startsWith('HPE_') === true;
        const code = isNotHttp ? 'GATEWAY_BAD_ANSWER' : 'GATEWAY_GLANCE_UNREACHABLE';
        const why = isNotHttp ? 'what Glance answers is no HTTP' : 'Glance cannot be reached, or broke off';
        const failure = fail(code, `${why}: ${error.message}`, error);
        if (sent.reusedSocket && isSafe && !isNotHttp) settle(() => reject(new StaleConnection(failure)));
        settle(() => reject(failure));
      });
      sent.on('close', () => {
        if (!answered) stop();
        settle(() => reject(fail('GATEWAY_GLANCE_UNREACHABLE', 'Glance broke off before it answered')));
      });
      if (body === undefined) return void sent.end();
      sendBody(body, sent, {
        waiting: () => watch.await(),
        moving: () => watch.rest(),
        done: onDone,
      }).catch((error: unknown) => {
        // A body that breaks off must not look like one that ended.
        if (!answered) end(error);
        else sent.destroy();
      });
    });

  return {
    url: base.origin + prefix,
    async request(request) {
      closing.signal.throwIfAborted();
      request.signal.throwIfAborted();
      if (request.body !== undefined || !SAFE.has(request.method)) return send(request, fresh);
      try {
        return await send(request, kept);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        return await send(request, fresh);
      }
    },
    close() {
      closing.abort(new GatewayError('GATEWAY_CLOSED', 'the gateway was closed'));
      kept.destroy();
      fresh.destroy();
    },
  };
}

/** A kept connection was closed by the other side while we wrote to it. */
class StaleConnection extends Error {
  constructor(cause: GatewayError) {
    super(cause.message, { cause });
  }
}

function messageHeaders(
  rawHeaders: RawHeaders,
  method: string,
  hasBody: boolean,
  glanceHost: string | false,
): string[] {
  const headers = endToEndHeaders(rawHeaders, hasBody ? [] : ['content-length']);
  if (glanceHost !== false) {
    const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
    if (at < 0) headers.unshift('Host', glanceHost);
    else headers[at + 1] = glanceHost;
  }
  if (hasBody) {
    if (findHeader(headers, 'content-length') === undefined) headers.push('Transfer-Encoding', 'chunked');
  } else if (EXPECTS_BODY.has(method) || findHeader(rawHeaders, 'content-length') !== undefined) {
    headers.push('Content-Length', '0');
  }
  return headers;
}

function answerOf(answer: IncomingMessage): UpstreamAnswer {
  const { rawHeaders } = answer;
  return {
    status: answer.statusCode ?? 0,
    statusMessage: answer.statusMessage ?? '',
    rawHeaders,
    header: (name) => findHeader(rawHeaders, name),
    body: answer,
  };
}

function parseUrl(url: string): URL {
  const bad = (why: string, cause?: unknown): GatewayError =>
    new GatewayError('GATEWAY_BAD_ADDRESS', `Glance's URL: ${why}`, { cause });
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw bad(`${JSON.stringify(url)} is no URL; write http://HOST:9292`, error);
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') throw bad('it must begin with http:// or https://');
  if (parsed.username !== '' || parsed.password !== '') throw bad('it must hold no user and no password');
  if (parsed.search !== '' || parsed.hash !== '') throw bad('it must hold no query and no fragment');
  return parsed;
}

function readAuthorities(caFile: string): Buffer {
  try {
    return readFileSync(caFile);
  } catch (cause) {
    throw new GatewayError('GATEWAY_BAD_ADDRESS', `the authorities in ${caFile} cannot be read`, {
      details: { caFile },
      cause,
    });
  }
}

/** Node puts the bytes that it could not parse into its errors: they must not get into a log. */
function bare(cause: unknown): unknown {
  if (!(cause instanceof Error)) return undefined;
  return new Error(cause.message);
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
