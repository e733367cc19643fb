import type { Origin, OriginImage } from '@quarry/content';
import { DaemonError } from '../daemon-error.ts';

/** What is known of an image before the origin was asked for more than its record. */
export type KnownImage = Omit<OriginImage, 'version'>;

/**
 * An origin that is asked what an image is only when the first byte of it is needed: a warm read costs Glance the caller's two questions and no third. What
 * it says then must be what was known before.
 */
export function pinnedOrigin(
  origin: Origin,
  known: KnownImage,
): { readonly origin: Origin; readonly described: OriginImage } {
  const placeholder: OriginImage = { ...known, version: 'not asked yet' };
  let asked: Promise<OriginImage> | undefined;
  const describe = async (): Promise<OriginImage> => {
    const described = await origin.describe(known.ref);
    const isSame = described.imageBytes === known.imageBytes && described.hash?.value === known.hash?.value;
    if (isSame) return described;
    throw new DaemonError('DAEMON_IMAGE_CHANGED', `the image ${known.ref} is another one now than a moment ago`, {
      details: { image: known.ref },
      canRetry: true,
    });
  };
  /** For all reads of the image: whoever asks first may leave, and the others still want the answer. */
  const described = (): Promise<OriginImage> => {
    asked ??= describe().catch((error: unknown) => {
      asked = undefined;
      throw error;
    });
    return asked;
  };
  return {
    described: placeholder,
    origin: {
      kind: origin.kind,
      describe: (ref, waiting) => origin.describe(ref, waiting),
      list: (waiting) => origin.list(waiting),
      async *open(_, options = {}) {
        yield* origin.open(await described(), options);
      },
      canRange: () => origin.canRange(placeholder),
      async close() {},
    },
  };
}
