import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { errorCode, isCodedError, type Clock, type Logger, type Random } from '@quarry/runtime';
import { answerPing, isPing } from './answer-ping.ts';
import { createDeleteImage } from './delete-image.ts';
import { callerOf, type Exchange, type Handler } from './exchange.ts';
import { answerError, createForward, failureStatus } from './forward.ts';
import { GatewayError } from './gateway-error.ts';
import { gatewayDefaults, type GatewayNumbers } from './options.ts';
import type { ImageService } from './ports/image-service.ts';
import type { GatewayObserver } from './ports/observer.ts';
import { createServeFile } from './read/serve-file.ts';
import { route, type Route } from './route.ts';
import type { Spool } from './upload/spool.ts';
import type { UploadMarks } from './upload/upload-marks.ts';
import { createTakeUpload, type TakeUploadDeps } from './upload/take-upload.ts';
import { createUpstream, type UpstreamOptions } from './upstream.ts';

export interface GatewayDeps {
  readonly images: ImageService;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: GatewayObserver;
  /** Where uploads are kept until Glance has taken them; without one they stream. See openSpool. */
  readonly spool?: Spool | undefined;
  /** Which uploads have begun, across crashes; without them Nova can send the rest of a file for the whole after one. See openUploadMarks. */
  readonly uploadMarks?: UploadMarks | undefined;
}

export interface GatewayOptions extends Partial<GatewayNumbers> {
  /** The real Glance. */
  readonly glance: Pick<UpstreamOptions, 'url' | 'caFile' | 'host'>;
}

/** `fd`: a socket that listens already, as systemd hands it over. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly fd: number };

export interface Gateway {
  /** May be called for several addresses. @throws GatewayError GATEWAY_BAD_ADDRESS, GATEWAY_CLOSED */
  listen(at: ListenAt): Promise<{ readonly host: string; readonly port: number }>;
  /** Accepts nothing more, lets what is under way end for so long, then cuts it. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

export function createGateway(deps: GatewayDeps, options: GatewayOptions): Gateway {
  const { clock, logger, observer } = deps;
  const numbers = numbersOf(options);
  const upstream = createUpstream(deps, { ...options.glance, stallMs: numbers.stallMs, answerMs: numbers.answerMs });
  const handlers = createHandlers({ ...deps, upstream, numbers });
  const servers = new Set<http.Server>();
  const running = new Map<AbortController, Promise<void>>();
  let isClosing = false;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (isPing(request)) return answerPing(response, isClosing);
    const ending = new AbortController();
    const startedAtMs = clock.now();
    const method = request.method ?? '';
    const exchange: Exchange = {
      route: route(method, request.url ?? ''),
      request,
      response,
      caller: callerOf(request),
      client: clientOf(request.socket),
      signal: ending.signal,
      startedAtMs,
    };
    const { kind } = exchange.route;
    response.on('error', () => {}); // a client that leaves; told by 'close'
    response.once('close', () => {
      if (response.headersSent) observer.answered(kind, response.statusCode, clock.now() - startedAtMs);
      if (!response.writableFinished) ending.abort(new GatewayError('GATEWAY_CLIENT_GONE', 'the client left'));
    });
    const answered = answer(handlers[kind], exchange, logger).finally(() => {
      running.delete(ending);
      if (isClosing) for (const server of servers) server.closeIdleConnections();
    });
    running.set(ending, answered);
    await answered;
  };

  const listenOn = (at: ListenAt): Promise<http.Server> =>
    new Promise((resolve, reject) => {
      const server = createServer(numbers, (request, response) => void handle(request, response));
      server.once('error', (cause) => {
        const where = 'fd' in at ? `file descriptor ${at.fd}` : `${at.host}:${at.port}`;
        const message = `the gateway cannot listen on ${where}: ${cause.message}`;
        reject(new GatewayError('GATEWAY_BAD_ADDRESS', message, { details: { ...at }, cause }));
      });
      server.listen('fd' in at ? { fd: at.fd } : { host: at.host, port: at.port }, () => resolve(server));
    });

  return {
    async listen(at) {
      if (isClosing) throw new GatewayError('GATEWAY_CLOSED', 'the gateway was closed');
      const server = await listenOn(at);
      servers.add(server);
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    },
    async close({ graceMs }) {
      isClosing = true;
      const closed = [...servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      const cut = (): void => {
        const reason = new GatewayError('GATEWAY_CLOSED', 'the gateway was closed');
        for (const ending of running.keys()) ending.abort(reason);
      };
      const cancel = clock.after(graceMs, cut);
      if (graceMs <= 0) cut();
      await Promise.allSettled(running.values());
      cancel();
      for (const server of servers) server.closeAllConnections();
      upstream.close();
      await Promise.all(closed);
    },
  };
}

function createHandlers(deps: TakeUploadDeps): Readonly<Record<Route['kind'], Handler>> {
  const forward = createForward(deps);
  return {
    show: forward,
    'file-get': createServeFile(deps),
    'file-put': createTakeUpload(deps),
    delete: createDeleteImage(deps),
    other: forward,
  };
}

/** Runs a handler; what it could not answer is answered here, or cut where an answer has begun: never ended as if it were whole. */
async function answer(handler: Handler, exchange: Exchange, logger: Logger): Promise<void> {
  const { request, response, route: asked, signal } = exchange;
  const method = request.method ?? '';
  try {
    await handler(exchange);
  } catch (error) {
    const code = errorCode(error) ?? 'unknown';
    if (code !== 'GATEWAY_CLIENT_GONE') {
      // The message only: other properties of a foreign error may hold what a client sent.
      const reason = isCodedError(error) ? error.message : String(error instanceof Error ? error.message : error);
      logger.warn('a request could not be answered', { route: asked.kind, method, image: asked.image, code, reason });
    }
    if (response.headersSent || signal.aborted) return void request.socket.destroy();
    const message = isCodedError(error) ? error.message : 'the gateway failed; its log says why';
    answerError(response, failureStatus(method, error), message);
  }
}

function createServer(numbers: GatewayNumbers, onRequest: http.RequestListener): http.Server {
  const server = http.createServer({
    maxHeaderSize: numbers.maxHeaderBytes,
    highWaterMark: numbers.socketBufferBytes,
    keepAliveTimeout: numbers.idleConnectionMs,
    // A snapshot takes hours where the link is slow.
    requestTimeout: 0,
    noDelay: true,
    // Notices clients that are gone without a word.
    keepAlive: true,
    keepAliveInitialDelay: numbers.stallMs,
    // Glance decides what it takes; it hears every line of a repeated header.
    requireHostHeader: false,
  });
  server.maxConnections = numbers.maxConnections;
  server.on('request', onRequest);
  // Glance answers `Expect: 100-continue`, not Node in its place.
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', onRequest);
  server.on('clientError', refuse);
  return server;
}

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What is no HTTP, too slow or too large. The error holds the bytes that came, a token among them: nothing of it is told or logged. */
function refuse(error: Error, socket: Socket & { readonly _httpMessage?: ServerResponse | null }): void {
  // Within an answer another one would look like its body.
  if (!socket.writable || socket._httpMessage) return void socket.destroy();
  const status = REFUSALS[errorCode(error) ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}

function clientOf(socket: Socket): string {
  const { remoteAddress = 'unknown', remotePort = 0 } = socket;
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

function numbersOf(options: GatewayOptions): GatewayNumbers {
  const numbers: Record<keyof GatewayNumbers, number> = { ...gatewayDefaults };
  for (const name of Object.keys(gatewayDefaults) as (keyof GatewayNumbers)[])
    numbers[name] = options[name] ?? numbers[name];
  // Who is less patient is so in everything that may keep a client waiting.
  numbers.answerMs = options.answerMs ?? numbers.stallMs;
  numbers.switchMs = options.switchMs ?? Math.min(numbers.switchMs, numbers.stallMs / 3);
  return numbers;
}
