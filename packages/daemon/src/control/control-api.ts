import type { Progress } from '../daemon.ts';

/**
 * The control interface: HTTP/1.1 over a unix socket that only its owner can open. Long work answers with one JSON object per line
 * (application/x-ndjson): any number of `progress`, then exactly one `done` or `error`. Closing the connection cancels the work.
 */
export const controlPaths = {
  status: '/v1/status',
  images: '/v1/images',
  fetch: '/v1/fetch',
  seed: '/v1/seed',
  verify: '/v1/verify',
  pin: '/v1/pin',
  unpin: '/v1/unpin',
  gc: '/v1/gc',
  purge: '/v1/purge',
  prefetch: '/v1/prefetch',
  limits: '/v1/limits',
  /** On the export socket only. */
  export: '/v1/export',
  metrics: '/metrics',
} as const;

export type ControlEvent<Result> =
  | { readonly event: 'progress'; readonly progress: Progress }
  | { readonly event: 'done'; readonly result: Result }
  | { readonly event: 'error'; readonly error: ControlFailure };

/** A CodedError as it crosses the socket. */
export interface ControlFailure {
  /** Its code and those of its causes, outermost first. */
  readonly codes: readonly string[];
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}
