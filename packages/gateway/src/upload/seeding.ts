import type { ImageHash } from '@quarry/content';
import { errorCode, type Logger } from '@quarry/runtime';
import { GatewayError } from '../gateway-error.ts';
import type { ImageService, PendingImage, SeenImage } from '../ports/image-service.ts';
import type { ShownImage } from '../shown-image.ts';

/** How an upload's way into the chunks of this host ended. */
export interface SeedingEnd {
  readonly isSeeded: boolean;
  /** Why not: an error's code. */
  readonly reason: string | undefined;
}

/** The ingest of an upload that passes by. Whatever becomes of it, the upload does not suffer. */
export interface Seeding {
  /** Glance has taken the upload: the image is published once Glance shows what was seen. */
  accept(): void;
  /** Glance has not taken it, or will not: nothing of it remains. */
  refuse(reason: unknown): void;
  /** Resolves when it is published, or nothing of it remains. */
  readonly ended: Promise<SeedingEnd>;
}

export interface SeedingDeps {
  readonly images: Pick<ImageService, 'take'>;
  readonly logger: Logger;
  /** Asks Glance what the image is now, with the headers of who uploads it. */
  readonly show: (waiting: { readonly signal: AbortSignal }) => Promise<ShownImage>;
}

export function startSeeding(
  { images, logger, show }: SeedingDeps,
  image: PendingImage,
  bytes: AsyncIterable<Uint8Array>,
  algorithm: ImageHash['algorithm'],
  onDone?: (bytes: Uint8Array) => void,
): Seeding {
  const refusing = new AbortController();
  const { signal } = refusing;
  let accept: () => void = () => {};
  const accepted = new Promise<void>((resolve, reject) => {
    accept = resolve;
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  accepted.catch(() => {}); // it may never get as far as asking

  const confirm = async (seen: SeenImage): Promise<void> => {
    await accepted;
    const { status, record } = await show({ signal });
    const refuse = (why: string): GatewayError =>
      new GatewayError('GATEWAY_NOT_TAKEN', `image ${image.ref} is not published: ${why}`, {
        details: { ref: image.ref },
      });
    if (!record) throw refuse(`Glance answers ${status} to who uploaded it`);
    if (record.status !== 'active') throw refuse(`Glance says that it is ${record.status}`);
    if (record.domain !== image.domain) throw refuse('it belongs to somebody else now');
    const { hash, imageBytes } = record;
    if (imageBytes !== seen.imageBytes)
      throw refuse(`Glance has ${imageBytes} bytes of it, ${seen.imageBytes} were seen`);
    if (hash?.algorithm !== seen.hash.algorithm || hash.value !== seen.hash.value) {
      throw refuse(
        `Glance's ${hash?.algorithm ?? 'hash'} is ${hash?.value ?? 'not given'}, that of what was seen ${seen.hash.value}`,
      );
    }
    signal.throwIfAborted();
  };

  const take = async (): Promise<SeedingEnd> => {
    try {
      await images.take(image, bytes, { algorithm, confirm, signal, onDone });
      return { isSeeded: true, reason: undefined };
    } catch (error) {
      const why = signal.aborted ? (signal.reason as unknown) : error;
      const message = why instanceof Error ? why.message : String(why);
      logger.info('an upload is not seeded', { image: image.ref, code: errorCode(why), message });
      return { isSeeded: false, reason: errorCode(why) ?? 'unknown' };
    }
  };
  return { accept, refuse: (reason) => refusing.abort(reason), ended: take() };
}
