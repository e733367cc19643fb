import { errorCode } from '@quarry/runtime';
import type { HandlerDeps } from '../exchange.ts';
import type { Caller, GlanceImage, OriginRead } from '../ports/image-service.ts';
import { quarrySource, type ByteSource } from './byte-source.ts';

export interface Wanted {
  readonly image: GlanceImage;
  readonly caller: Caller;
  /** First byte of the image. */
  readonly offset: number;
  readonly length: number;
}

export type Found =
  | { readonly kind: 'quarry'; readonly source: ByteSource }
  /** It is our turn to read from Glance. `read` is undefined where there is no budget to ask: then Glance answers without one. */
  | { readonly kind: 'glance'; readonly read: OriginRead | undefined };

export interface FindOptions {
  /**
   * How long Quarry may go without any progress before we queue for a read of Glance; 0 queues at once. The queue is joined earlier where Quarry says no. An
   * image that arrives in no particular order takes its time until its first byte is there: hosts that gave up waiting would be the stampede.
   */
  readonly headStartMs: number;
  /** How long before Quarry is asked for the first time. */
  readonly openAfterMs: number;
  readonly signal: AbortSignal;
  /** Hears why Quarry could not. */
  readonly onRefusal: (reason: string) => void;
}

type FindDeps = Pick<HandlerDeps, 'images' | 'clock' | 'logger' | 'numbers'>;

/**
 * Finds who can give the bytes: Quarry, or else Glance, as soon as its budget has room. While we wait for that, Quarry is asked again and again, since
 * whoever reads the image now is publishing it. Rejects only with the signal's reason.
 */
export async function findSource(deps: FindDeps, wanted: Wanted, options: FindOptions): Promise<Found> {
  const { clock } = deps;
  const settled = new AbortController();
  const signal = AbortSignal.any([options.signal, settled.signal]);
  let refused: () => void = () => {};
  const firstRefusal = new Promise<void>((resolve) => {
    refused = resolve;
  });
  const onRefusal = (reason: string): void => {
    options.onRefusal(reason);
    refused();
  };
  let progressAtMs = clock.now();
  const onProgress = (): void => {
    progressAtMs = clock.now();
  };
  const quiet = async (): Promise<void> => {
    for (;;) {
      const leftMs = progressAtMs + options.headStartMs - clock.now();
      if (leftMs <= 0) return;
      await clock.sleep(leftMs, { signal });
    }
  };
  const opening = openUntil(deps, wanted, { ...options, signal, lifetime: options.signal, onRefusal, onProgress });
  const queueing = (async (): Promise<Found> => {
    await Promise.race([firstRefusal, quiet()]);
    return await queueForGlance(deps, signal);
  })();
  try {
    const found = await Promise.race([opening, queueing]);
    // Who comes second has something that must be given back.
    if (found.kind === 'quarry') queueing.then(giveBack, () => {});
    else opening.then(giveBack, () => {});
    return found;
  } catch (error) {
    opening.then(giveBack, () => {});
    queueing.then(giveBack, () => {});
    throw error;
  } finally {
    settled.abort(new Error('the bytes are found elsewhere'));
  }
}

function giveBack(found: Found): void {
  if (found.kind === 'glance') found.read?.release();
  else found.source.end(new Error('the bytes were found elsewhere'));
}

/** Asks until Quarry can. `signal` ends the asking, `lifetime` what was opened. */
async function openUntil(
  { images, clock, numbers }: FindDeps,
  { image, caller, offset, length }: Wanted,
  {
    signal,
    lifetime,
    openAfterMs,
    onRefusal,
    onProgress,
  }: FindOptions & { readonly lifetime: AbortSignal; readonly onProgress: () => void },
): Promise<Found> {
  if (openAfterMs > 0) await clock.sleep(openAfterMs, { signal });
  for (;;) {
    const ending = new AbortController();
    const onAbort = (): void => ending.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const opened = await images.open(image, {
        caller,
        offset,
        length,
        signal: AbortSignal.any([lifetime, ending.signal]),
        onProgress,
      });
      if (opened) return { kind: 'quarry', source: quarrySource(opened, ending) };
      onRefusal('unknown-image');
    } catch (error) {
      signal.throwIfAborted();
      onRefusal(errorCode(error) ?? 'unknown');
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    await clock.sleep(numbers.retryMs, { signal });
  }
}

async function queueForGlance({ images, logger }: FindDeps, signal: AbortSignal): Promise<Found> {
  try {
    return { kind: 'glance', read: await images.openOriginRead({ signal }) };
  } catch (error) {
    signal.throwIfAborted();
    // The budget is a courtesy to the store; without it a host must still get its image.
    const message = error instanceof Error ? error.message : String(error);
    logger.error('an image is read from Glance without a budget', { code: errorCode(error), message });
    return { kind: 'glance', read: undefined };
  }
}
