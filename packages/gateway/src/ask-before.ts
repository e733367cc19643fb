import { errorCode } from '@quarry/runtime';
import type { Exchange, HandlerDeps } from './exchange.ts';
import { GatewayError } from './gateway-error.ts';
import { showImage, type ShownImage } from './shown-image.ts';

/**
 * What Glance says of an image that is about to be filled or deleted, to who does it. Undefined where it does not say, or not soon: the request itself goes to
 * Glance all the same, whose it is to refuse. Rejects only with the exchange's own end.
 */
export async function askBefore(deps: HandlerDeps, exchange: Exchange): Promise<ShownImage | undefined> {
  const { clock, numbers, logger } = deps;
  const { signal, route, request } = exchange;
  const ref = route.image;
  if (ref === undefined) return undefined;
  const late = new AbortController();
  const cancel = clock.after(numbers.showMs, () => {
    late.abort(new GatewayError('GATEWAY_STALLED', `Glance did not say for ${numbers.showMs} ms what the image is`));
  });
  try {
    const asking = { ref, path: `/v2/images/${ref}`, rawHeaders: request.rawHeaders };
    return await showImage(deps, asking, { signal: AbortSignal.any([signal, late.signal]) });
  } catch (error) {
    signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    logger.info('Glance does not say what an image is', {
      image: ref,
      method: request.method,
      code: errorCode(error),
      message,
    });
    return undefined;
  } finally {
    cancel();
  }
}
