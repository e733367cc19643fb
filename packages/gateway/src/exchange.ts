import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { GatewayNumbers } from './options.ts';
import type { Caller, ImageService } from './ports/image-service.ts';
import type { GatewayObserver } from './ports/observer.ts';
import type { Route } from './route.ts';
import type { Upstream } from './upstream.ts';

/** One request and its answer. */
export interface Exchange {
  readonly route: Route;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  /** Address and port of the client. */
  readonly client: string;
  /** Aborts with GATEWAY_CLIENT_GONE when the client leaves before the answer is out, with GATEWAY_CLOSED when the gateway may wait no longer. */
  readonly signal: AbortSignal;
  readonly startedAtMs: number;
}

/**
 * Answers one request to its end. Rejects with what kept it from answering: the gateway then answers in its place, or cuts the connection where
 * an answer has begun.
 */
export type Handler = (exchange: Exchange) => Promise<void>;

/** What handlers are made of. */
export interface HandlerDeps {
  readonly upstream: Upstream;
  readonly images: ImageService;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: GatewayObserver;
  readonly numbers: GatewayNumbers;
}

/** Who asks. Repeated headers are joined as Node does it. */
export function callerOf(request: IncomingMessage): Caller {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return { headers };
}

/** Whether there is, or may be, a body (RFC 9112, 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  if (request.headers['transfer-encoding'] !== undefined) return true;
  return Number(request.headers['content-length'] ?? 0) > 0;
}
