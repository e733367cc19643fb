import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { EvictionReport, VerifyReport } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type {
  Cancellable,
  DaemonStatus,
  FetchImageReport,
  FetchImageRequest,
  ImageListing,
  LimitsChange,
  LimitsView,
  Progressing,
  PurgeReport,
  PurgeRequest,
  SeedReport,
} from '../daemon.ts';
import type { PrefetchReport, PrefetchRequest } from '../images/prefetch-images.ts';
import { controlPaths } from './control-api.ts';
import type { ControlEvent, ControlFailure } from './control-api.ts';
import { ControlError } from './control-error.ts';
import { http } from './node-http.ts';

/** A running daemon, as its command line sees it. Every call rejects with ControlError; CONTROL_REMOTE carries the daemon's own codes in `details.codes`. */
export interface ControlClient {
  status(options?: Cancellable): Promise<DaemonStatus>;
  images(options?: Cancellable): Promise<readonly ImageListing[]>;
  fetch(what: FetchImageRequest, options?: Cancellable & Progressing): Promise<FetchImageReport>;
  seed(what: readonly string[], options?: Cancellable & Progressing): Promise<SeedReport>;
  verify(options?: Cancellable & Progressing): Promise<VerifyReport>;
  pin(image: string): Promise<number>;
  unpin(image: string): Promise<number>;
  purge(request: PurgeRequest, options?: Cancellable): Promise<PurgeReport>;
  prefetch(request: PrefetchRequest, options?: Cancellable & Progressing): Promise<PrefetchReport>;
  gc(maxBytes: number | undefined, options?: Cancellable): Promise<EvictionReport>;
  limits(change: LimitsChange, options?: Cancellable): Promise<LimitsView>;
  metrics(): Promise<string>;
}

export function createControlClient(socketPath: string): ControlClient {
  const work = async <Result>(
    method: 'GET' | 'POST',
    path: string,
    body: object,
    options: Cancellable & Progressing = {},
  ): Promise<Result> => {
    const response = await send(socketPath, method, path, body, options.signal);
    for await (const line of createInterface({ input: response })) {
      const event = JSON.parse(line) as
        | ControlEvent<Result>
        | { readonly event?: undefined; readonly error: ControlFailure };
      if (event.event === 'progress') options.onProgress?.(event.progress);
      else if (event.event === 'done') return event.result;
      else throw remote(event.error);
    }
    options.signal?.throwIfAborted();
    throw new ControlError('CONTROL_LOST', `the daemon at ${socketPath} went away before it answered`, {
      canRetry: true,
      details: { socketPath },
    });
  };
  return {
    async status(options) {
      return JSON.parse(
        await textOf(await send(socketPath, 'GET', controlPaths.status, {}, options?.signal)),
      ) as DaemonStatus;
    },
    images: (options) => work('GET', controlPaths.images, {}, options),
    fetch: (what, options) => work('POST', controlPaths.fetch, what, options),
    seed: (what, options) => work('POST', controlPaths.seed, { what }, options),
    verify: (options) => work('POST', controlPaths.verify, {}, options),
    pin: (image) => work('POST', controlPaths.pin, { image }),
    unpin: (image) => work('POST', controlPaths.unpin, { image }),
    purge: (request, options) => work('POST', controlPaths.purge, request, options),
    prefetch: (request, options) => work('POST', controlPaths.prefetch, request, options),
    gc: (maxBytes, options) => work('POST', controlPaths.gc, { maxBytes }, options),
    limits: (change, options) => work('POST', controlPaths.limits, change, options),
    metrics: async () => textOf(await send(socketPath, 'GET', controlPaths.metrics, {}, undefined)),
  };
}

async function send(
  socketPath: string,
  method: string,
  path: string,
  body: object,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const outgoing = http.request({
    socketPath,
    method,
    path,
    headers: { host: 'quarry' },
    ...(signal ? { signal } : {}),
  });
  outgoing.end(method === 'POST' ? JSON.stringify(body) : undefined);
  try {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  } catch (cause) {
    signal?.throwIfAborted();
    throw unreachable(socketPath, cause);
  }
}

function unreachable(socketPath: string, cause: unknown): ControlError {
  const code = errorCode(cause);
  const details = { socketPath };
  if (code === 'EACCES' || code === 'EPERM') {
    return new ControlError(
      'CONTROL_FORBIDDEN',
      `${socketPath} belongs to another user; run this as the user that runs the daemon`,
      { cause, details },
    );
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new ControlError(
      'CONTROL_NO_DAEMON',
      `no daemon listens on ${socketPath}; start one with "quarry node", or name its data directory with --data`,
      { cause, details },
    );
  }
  return new ControlError(
    'CONTROL_LOST',
    `talking to the daemon at ${socketPath} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause, details, canRetry: true },
  );
}

function remote(failure: ControlFailure): ControlError {
  return new ControlError('CONTROL_REMOTE', failure.message, { details: { ...failure.details, codes: failure.codes } });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}
