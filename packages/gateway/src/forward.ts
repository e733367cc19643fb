import type { ServerResponse } from 'node:http';
import { isCodedError } from '@quarry/runtime';
import type { Exchange, Handler, HandlerDeps } from './exchange.ts';
import { hasBody } from './exchange.ts';
import { endToEndHeaders } from './headers.ts';
import { relayBody } from './relay-body.ts';
import type { UpstreamAnswer } from './upstream.ts';

/** Passes a request on to Glance and its answer back, byte for byte, whatever they are. */
export function createForward(deps: HandlerDeps): Handler {
  return async (exchange) => {
    await relayAnswer(deps, exchange, await askGlance(deps, exchange));
  };
}

/** Sends the client's request, as it is, to Glance. Rejects as `Upstream.request` does. */
export function askGlance({ upstream }: Pick<HandlerDeps, 'upstream'>, exchange: Exchange): Promise<UpstreamAnswer> {
  const { request, response, signal } = exchange;
  return upstream.request({
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    rawHeaders: request.rawHeaders,
    body: hasBody(request) ? request : undefined,
    signal,
    onContinue: () => response.writeContinue(),
  });
}

/** Sends an answer of Glance to the client. Resolves to the bytes of its body when all is out; rejects where it breaks off: the connection must then be cut. */
export async function relayAnswer(
  { clock, numbers }: Pick<HandlerDeps, 'clock' | 'numbers'>,
  { response }: Pick<Exchange, 'response'>,
  answer: UpstreamAnswer,
  onSent?: (bytes: number) => void,
): Promise<number> {
  writeHeadOf(response, answer);
  return await relayBody(answer.body, response, { clock, stallMs: numbers.stallMs }, onSent);
}

/** Status line and headers of an answer, as Glance sent them. */
export function writeHeadOf(response: ServerResponse, answer: UpstreamAnswer): void {
  const headers = endToEndHeaders(answer.rawHeaders);
  // Without it Nova fails on the header, not on the error, and does not try again.
  if (answer.status >= 400 && answer.header('content-type') === undefined) headers.push('Content-Type', 'text/plain');
  writeHead(response, answer.status, answer.statusMessage, headers);
}

/** Exactly these headers, and what the connection itself needs, in the words of Glance. */
export function writeHead(response: ServerResponse, status: number, message: string, headers: readonly string[]): void {
  const sent = [...headers];
  response.sendDate = false;
  // HTTP/1.1 keeps connections open without a word, but Glance answers who asks for it. Where this one ends, Node says so.
  if (response.shouldKeepAlive && response.req.httpVersionMinor >= 1) {
    if (response.req.headers.connection?.toLowerCase() === 'keep-alive') sent.push('Connection', 'keep-alive');
    else response.removeHeader('Connection');
  }
  response.writeHead(status, message, sent);
}

/** An answer of the gateway's own, in words. */
export function answerError(response: ServerResponse, status: number, message: string): void {
  const body = Buffer.from(`${message}\n`);
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8', 'Content-Length': body.length });
  response.end(body);
}

/** To ask twice is to ask once (RFC 9110, 9.2.2); PUT is one of them, but not as Nova does it. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE']);

/**
 * The status for what kept us from an answer of Glance. Nova asks again on 503 only, and must not where it has sent an upload's data: the file is read
 * up by then, and what it sent the second time would be empty.
 */
export function failureStatus(method: string, error: unknown): number {
  if (REPEATABLE.has(method)) return 503;
  // Nothing was sent of the others where the connection was not made.
  return method !== 'PUT' && isCodedError(error) && error.canRetry ? 503 : 502;
}
