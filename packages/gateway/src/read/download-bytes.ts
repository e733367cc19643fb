import { errorCode, isCodedError, type Clock } from '@quarry/runtime';
import type { HandlerDeps } from '../exchange.ts';
import { GatewayError } from '../gateway-error.ts';
import type { RawHeaders } from '../headers.ts';
import type { ByteSource } from './byte-source.ts';
import { continueFromGlance } from './continue-from-glance.ts';
import { findSource, type Wanted } from './find-source.ts';

export interface Download extends Wanted {
  /** Of the client's request. */
  readonly path: string;
  readonly rawHeaders: RawHeaders;
  readonly signal: AbortSignal;
  /** All that gave bytes, in turn. The last one gives them now; ended here, too. */
  readonly sources: ByteSource[];
  /** Hears why a source was left, or could not be had. */
  readonly onTrouble: (reason: string) => void;
}

/**
 * The bytes of a download that has begun, exactly as many as wanted, whatever becomes of their sources: where one fails, or is silent and gets nothing for `switchMs`, another goes
 * on at the very byte; but where what the source gave is not proven to be right before its end, nobody does. Never silent for more than `stallMs` while somebody waits and nothing of the image arrives: then it rejects, and the connection must be cut. `head` is what was read
 * of the first source already.
 * @throws GatewayError GATEWAY_STALLED, that Glance will not go on with the image, the signal's reason, and what a source that is proven last fails with
 */
export async function* downloadBytes(
  deps: HandlerDeps,
  download: Download,
  head: Uint8Array | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock, numbers } = deps;
  const { length, sources, signal, onTrouble } = download;
  let source: ByteSource | undefined = sources.at(-1);
  let failed: ByteSource['kind'] = 'quarry';
  let at = 0;

  const next = async (): Promise<Uint8Array> => {
    const giveUpAtMs = clock.now() + numbers.stallMs;
    for (;;) {
      const leftMs = giveUpAtMs - clock.now();
      if (leftMs <= 0) throw stalled(numbers.stallMs);
      source ??= await nextSource(deps, download, { at, failed, leftMs });
      if (!source) continue;
      try {
        const limitMs = source.isProvenLast ? leftMs : Math.min(numbers.switchMs, leftMs);
        const block = await nextBlock(source, clock, limitMs, signal);
        checkBlock(block, source.kind, { at, length });
        if (block.value.length > 0) return block.value;
      } catch (error) {
        source.end(error);
        signal.throwIfAborted();
        onTrouble(errorCode(error) ?? 'unknown');
        if (source.isProvenLast) throw error;
        failed = source.kind;
        source = undefined;
      }
    }
  };

  try {
    if (head) {
      at = head.length;
      yield head;
    }
    while (at < length) {
      const block = await next();
      at += block.length;
      yield block;
    }
  } finally {
    source?.end(new Error('the download is over'));
  }
}

/**
 * Who goes on at `at`: the other kind than failed, if it can. Undefined after a trouble that may pass.
 * @throws what cannot be helped
 */
async function nextSource(
  deps: HandlerDeps,
  download: Download,
  now: { readonly at: number; readonly failed: ByteSource['kind']; readonly leftMs: number },
): Promise<ByteSource | undefined> {
  const { clock, numbers } = deps;
  const { sources, onTrouble } = download;
  const { retryMs, switchMs, stallMs } = numbers;
  const wanted = { ...download, offset: download.offset + now.at, length: download.length - now.at };
  const limit = new AbortController();
  const cancel = clock.after(now.leftMs, () => limit.abort(stalled(stallMs)));
  const signal = AbortSignal.any([download.signal, limit.signal]);
  const whoFirst =
    now.failed === 'quarry' ? { headStartMs: 0, openAfterMs: retryMs } : { headStartMs: switchMs, openAfterMs: 0 };
  try {
    const found = await findSource(deps, wanted, { ...whoFirst, signal, onRefusal: onTrouble });
    if (found.kind === 'quarry') {
      sources.push(found.source);
      return found.source;
    }
    try {
      const source = await continueFromGlance(deps, { ...wanted, read: found.read, signal });
      sources.push(source);
      return source;
    } catch (error) {
      found.read?.release();
      signal.throwIfAborted();
      onTrouble(errorCode(error) ?? 'unknown');
      if (!isCodedError(error) || !error.canRetry) throw error;
      await clock.sleep(retryMs, { signal });
      return undefined;
    }
  } finally {
    cancel();
  }
}

/** @throws GatewayError GATEWAY_STALLED when nothing has arrived for `limitMs`, the signal's reason, and whatever the source rejects with */
export function nextBlock(
  source: ByteSource,
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
): Promise<IteratorResult<Uint8Array, unknown>> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let cancel = (): void => {};
    const settle = (): void => {
      cancel();
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(signal.reason);
    };
    // Pieces come in no order: what is needed next may come last, and a source that gets on is not left for that.
    const watch = (seenBytes: number): void => {
      cancel = clock.after(limitMs, () => {
        const nowBytes = arrivedBytes(source);
        if (nowBytes > seenBytes) return watch(nowBytes);
        settle();
        reject(stalled(limitMs));
      });
    };
    watch(arrivedBytes(source));
    signal.addEventListener('abort', onAbort);
    source.next().then(
      (block) => {
        settle();
        resolve(block);
      },
      (error: unknown) => {
        settle();
        reject(error);
      },
    );
  });
}

function arrivedBytes(source: ByteSource): number {
  const { local, peer, seeder, origin } = source.bytesBySource();
  return local + peer + seeder + origin;
}

/** Neither fewer bytes than there must be, nor more. */
export function checkBlock(
  block: IteratorResult<Uint8Array, unknown>,
  kind: ByteSource['kind'],
  { at, length }: { readonly at: number; readonly length: number },
): asserts block is IteratorYieldResult<Uint8Array> {
  const code = kind === 'glance' ? 'GATEWAY_GLANCE_TRUNCATED' : 'GATEWAY_SOURCE_BROKEN';
  const details = { at, length, kind };
  if (block.done === true) {
    throw new GatewayError(code, `a source of ${length} bytes ended after ${at}`, { details });
  }
  if (at + block.value.length > length) {
    throw new GatewayError('GATEWAY_SOURCE_BROKEN', `a source goes on after the ${length} bytes it was asked for`, {
      details,
    });
  }
}

function stalled(ms: number): GatewayError {
  return new GatewayError('GATEWAY_STALLED', `no source of the download gave a byte for ${ms} ms`, {
    details: { ms },
  });
}
