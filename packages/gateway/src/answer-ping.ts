import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Whether the request is for the first server that it meets, whoever stands behind: `OPTIONS` with `Max-Forwards: 0` must not be passed on (RFC 9110,
 * 7.6.2). A load balancer asks so whether the gateway itself is alive: /healthcheck is Glance's answer.
 */
export function isPing(request: IncomingMessage): boolean {
  return request.method === 'OPTIONS' && request.headers['max-forwards'] === '0';
}

/** 200, or 503 once the gateway closes: what is under way ends, and nothing new should come. */
export function answerPing(response: ServerResponse, isClosing: boolean): void {
  response.writeHead(isClosing ? 503 : 200, { 'Content-Type': 'text/plain', 'Content-Length': 0 }).end();
}
