import { errorCode } from '@quarry/runtime';
import { askBefore } from './ask-before.ts';
import type { Handler, HandlerDeps } from './exchange.ts';
import { askGlance, relayAnswer } from './forward.ts';
import type { GlanceImage } from './ports/image-service.ts';
import { boundImage } from './shown-image.ts';

/**
 * `DELETE /v2/images/{id}`: Nova's last word on a snapshot. Glance decides; what it has deleted the whole cluster forgets. Everything else it may answer changes
 * nothing: a 404 is what a stranger gets for an image that is there.
 */
export function createDeleteImage(deps: HandlerDeps): Handler {
  return async (exchange) => {
    // Before, because nobody can ask afterwards. What the image is follows from what Glance shows to this caller: no key, nothing to forget.
    const record = (await askBefore(deps, exchange))?.record;
    const image = record && boundImage(record);
    const answer = await askGlance(deps, exchange);
    const forgotten = answer.status === 204 && image ? forget(deps, image) : undefined;
    await relayAnswer(deps, exchange, answer);
    await Promise.race([forgotten, aborted(exchange.signal)]); // a gateway that closes waits for it, not for ever
  };
}

/** Never rejects: an image that is not forgotten is found out when it is used next, and ends with its time to live. */
async function forget({ images, logger }: HandlerDeps, image: GlanceImage): Promise<void> {
  try {
    await images.forget(image);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    logger.warn('a deleted image was not forgotten everywhere', { image: image.ref, code: errorCode(error), message });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
