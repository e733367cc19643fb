import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers GET and HEAD as servers of static files do, with a single range where `hasRanges`. */
export function serveBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly hasRanges?: boolean } = {},
): void {
  const { headers = {}, hasRanges = true } = options;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const [start, end] = [Number(first ?? 0), Math.min(Number(last ?? bytes.length), bytes.length - 1) + 1];
  if (first === undefined || !hasRanges) {
    response.writeHead(200, { ...headers, 'content-length': bytes.length });
    return void response.end(request.method === 'HEAD' ? undefined : bytes);
  }
  if (start >= bytes.length) return void response.writeHead(416, headers).end();
  const range = `bytes ${start}-${end - 1}/${bytes.length}`;
  response.writeHead(206, { ...headers, 'content-length': end - start, 'content-range': range });
  response.end(bytes.subarray(start, end));
}

const digests = new WeakMap<Uint8Array, Map<string, string>>();

/** The hash of an image that is not changed any more, computed once. */
export function digestOf(algorithm: string, bytes: Uint8Array): string {
  const known = digests.get(bytes) ?? new Map<string, string>();
  digests.set(bytes, known);
  const digest = known.get(algorithm) ?? createHash(algorithm).update(bytes).digest('hex');
  known.set(algorithm, digest);
  return digest;
}
