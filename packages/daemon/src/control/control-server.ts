import { chmod, rm } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { isCodedError, parseBytes } from '@quarry/runtime';
import type { Lifecycle } from '@quarry/runtime';
import { codesOf } from '../error-codes.ts';
import type { Daemon, Progress, Progressing } from '../daemon.ts';
import { controlPaths } from './control-api.ts';
import type { ControlEvent, ControlFailure } from './control-api.ts';
import { ControlError } from './control-error.ts';
import { http } from './node-http.ts';

const MAX_REQUEST_BYTES = 1 << 20;
/** sockaddr_un.sun_path holds 108 bytes with its final zero. */
const MAX_SOCKET_PATH_BYTES = 107;

export type Body = Readonly<Record<string, unknown>>;
export type Work = (body: Body, options: Progressing & { readonly signal: AbortSignal }) => Promise<unknown>;

/** Serves the daemon on a unix socket, mode 0600; a socket file that a killed daemon left is replaced. Rejects with ControlError. */
export async function serveControl(daemon: Daemon, socketPath: string, lifecycle: Lifecycle): Promise<void> {
  await claimSocket(socketPath);
  const server = http.createServer((request, response) => void answer(daemon, request, response, lifecycle.signal));
  await listenOn(server, socketPath);
  await chmod(socketPath, 0o600);
  lifecycle.onClose('the control socket', () => closeServer(server));
}

/** Serves only /metrics, over TCP. */
export async function serveMetrics(daemon: Daemon, hostAndPort: string, lifecycle: Lifecycle): Promise<void> {
  const url = URL.parse(`http://${hostAndPort}`);
  if (!url?.port)
    throw new ControlError(
      'CONTROL_BAD_SOCKET',
      `control.metricsListen must be host:port, not ${JSON.stringify(hostAndPort)}`,
    );
  const server = http.createServer((request, response) => {
    if (request.url === controlPaths.metrics && request.method === 'GET') return void sendMetrics(daemon, response);
    response.writeHead(404, { 'content-type': 'text/plain' }).end('only /metrics is here\n');
  });
  await listenOn(server, Number(url.port), url.hostname.replace(/^\[|\]$/g, ''));
  lifecycle.onClose('the metrics server', () => closeServer(server));
}

async function answer(
  daemon: Daemon,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const route = `${request.method} ${request.url}`;
  try {
    const body = await readBody(request);
    if (route === `GET ${controlPaths.metrics}`) return await sendMetrics(daemon, response);
    if (route === `GET ${controlPaths.status}`) return sendJson(response, 200, await daemon.status());
    const work = workFor(daemon)[route];
    if (!work) throw new ControlError('CONTROL_BAD_REQUEST', `the control interface has no ${route}`);
    await stream(work, body, response, closing);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else sendJson(response, 400, { error: failureOf(error) });
  }
}

function workFor(daemon: Daemon): Readonly<Record<string, Work>> {
  return {
    [`GET ${controlPaths.images}`]: (_, options) => daemon.images(options),
    [`POST ${controlPaths.fetch}`]: (body, options) =>
      daemon.fetch(
        {
          image: textOf(body, 'image'),
          destination: textOf(body, 'destination'),
          overwrite: body.overwrite === true,
          checkHash: body.checkHash === true,
          ...(body.expectedHash === undefined ? {} : { expectedHash: textOf(body, 'expectedHash') }),
        },
        options,
      ),
    [`POST ${controlPaths.seed}`]: (body, options) => daemon.seed(textsOf(body, 'what'), options),
    [`POST ${controlPaths.verify}`]: (_, options) => daemon.verify(options),
    [`POST ${controlPaths.pin}`]: (body) => daemon.pin(textOf(body, 'image')),
    [`POST ${controlPaths.unpin}`]: (body) => daemon.unpin(textOf(body, 'image')),
    [`POST ${controlPaths.limits}`]: async (body) =>
      daemon.limits({
        uploadBytesPerSecond: limitOf(body, 'uploadBytesPerSecond'),
        downloadBytesPerSecond: limitOf(body, 'downloadBytesPerSecond'),
        originBytesPerSecond: limitOf(body, 'originBytesPerSecond'),
        originReads: limitOf(body, 'originReads', Number.isSafeInteger),
      }),
    [`POST ${controlPaths.purge}`]: (body, options) =>
      daemon.purge({ what: textOf(body, 'what'), isClusterWide: body.isClusterWide === true }, options),
    [`POST ${controlPaths.prefetch}`]: (body, options) =>
      daemon.prefetch(
        {
          images: textsOf(body, 'images'),
          nodes: textsOf(body, 'nodes'),
          zones: textsOf(body, 'zones'),
          percent: percentOf(body, 'percent'),
        },
        options,
      ),
    [`POST ${controlPaths.gc}`]: (body, options) => daemon.gc(sizeOf(body, 'maxBytes'), options),
  };
}

export async function stream(work: Work, body: Body, response: ServerResponse, closing: AbortSignal): Promise<void> {
  const left = new AbortController();
  response.on('close', () => left.abort(new ControlError('CONTROL_LOST', 'the client closed the connection')));
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const send = (event: ControlEvent<unknown>): void => void response.write(`${JSON.stringify(event)}\n`);
  // a client that does not read must not fill our memory: progress is dropped, results are not
  const onProgress = (progress: Progress): void => {
    if (!response.writableNeedDrain) send({ event: 'progress', progress });
  };
  try {
    send({ event: 'done', result: await work(body, { signal: AbortSignal.any([left.signal, closing]), onProgress }) });
  } catch (error) {
    send({ event: 'error', error: failureOf(error) });
  }
  response.end();
}

async function sendMetrics(daemon: Daemon, response: ServerResponse): Promise<void> {
  const metrics = await daemon.metrics();
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metrics);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
}

export function failureOf(error: unknown): ControlFailure {
  const message = error instanceof Error ? error.message : String(error);
  const codes = codesOf(error);
  return {
    codes: codes.length > 0 ? codes : ['INTERNAL'],
    message,
    ...(isCodedError(error) ? { details: error.details } : {}),
  };
}

export async function readBody(request: IncomingMessage): Promise<Body> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_REQUEST_BYTES)
      throw new ControlError('CONTROL_BAD_REQUEST', `a request may have ${MAX_REQUEST_BYTES} bytes at most`);
    parts.push(part);
  }
  if (bytes === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Body;
  } catch (cause) {
    throw new ControlError('CONTROL_BAD_REQUEST', 'the request is not JSON', { cause });
  }
  throw new ControlError('CONTROL_BAD_REQUEST', 'the request must be a JSON object');
}

export function textOf(body: Body, key: string): string {
  const value = body[key];
  if (typeof value !== 'string' || value === '')
    throw new ControlError('CONTROL_BAD_REQUEST', `"${key}" must be a string`);
  return value;
}

function textsOf(body: Body, key: string): string[] {
  const value: unknown = body[key];
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) {
    throw new ControlError('CONTROL_BAD_REQUEST', `"${key}" must be a list of strings`);
  }
  return value;
}

function sizeOf(body: Body, key: string): number | undefined {
  const value = body[key];
  if (value === undefined) return undefined;
  const bytes = typeof value === 'number' ? parseBytes(value) : undefined;
  if (bytes === undefined) throw new ControlError('CONTROL_BAD_REQUEST', `"${key}" must be a number of bytes`);
  return bytes;
}

function percentOf(body: Body, key: string): number {
  const value = body[key];
  if (typeof value === 'number' && value > 0 && value <= 100) return value;
  throw new ControlError('CONTROL_BAD_REQUEST', `"${key}" must be a number above 0, and 100 at most`);
}

/** Null lifts the limit; what is not there is not changed. */
function limitOf(
  body: Body,
  key: string,
  isAmount: (value: number) => boolean = Number.isFinite,
): number | null | undefined {
  const value = body[key];
  if (value === undefined || value === null) return value;
  if (typeof value === 'number' && isAmount(value) && value > 0) return value;
  throw new ControlError('CONTROL_BAD_REQUEST', `"${key}" must be a number above 0, or null for no limit`);
}

export async function claimSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new ControlError(
      'CONTROL_BAD_SOCKET',
      `the control socket's path has more than ${MAX_SOCKET_PATH_BYTES} bytes: ${path}; set control.socket to a shorter one`,
    );
  }
  if (await isAnswered(path))
    throw new ControlError(
      'CONTROL_BAD_SOCKET',
      `another daemon listens on ${path}; stop it, or set control.socket to another path`,
    );
  await rm(path, { force: true });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
}

export function listenOn(server: Server, ...where: [string] | [number, string]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error) =>
      reject(
        new ControlError('CONTROL_BAD_SOCKET', `cannot listen on ${where.join(' of ')}: ${cause.message}`, {
          cause,
          details: { where },
        }),
      ),
    );
    server.listen(...(where as [number, string]), resolve);
  });
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
