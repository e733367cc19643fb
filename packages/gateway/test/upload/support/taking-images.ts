import { createHash } from 'node:crypto';
import type { GlanceImage, ImageService, PendingImage } from '../../../src/ports/image-service.ts';

/** Keeps whole images in memory. What it has published must be right, and what was not confirmed must not be there. */
export interface TakingImages extends ImageService {
  readonly published: Map<string, { readonly image: PendingImage; readonly bytes: Buffer }>;
  /** How many ingests are under way. */
  readonly taking: number;
  readonly begun: PendingImage[];
  readonly forgotten: GlanceImage[];
  /** Runs at each block; may wait or throw. */
  onBlock: (seenBytes: number) => void | Promise<void>;
  onForget: () => Promise<void>;
}

export function createTakingImages(): TakingImages {
  const published: TakingImages['published'] = new Map();
  let taking = 0;
  const images: TakingImages = {
    published,
    begun: [],
    forgotten: [],
    get taking() {
      return taking;
    },
    onBlock: () => {},
    onForget: async () => {},
    async open() {
      return undefined;
    },
    async take(image, bytes, { algorithm, confirm, signal }) {
      taking += 1;
      images.begun.push(image);
      try {
        const hash = createHash(algorithm);
        const blocks: Uint8Array[] = [];
        let imageBytes = 0;
        for await (const block of bytes) {
          signal.throwIfAborted();
          await images.onBlock(imageBytes);
          hash.update(block);
          blocks.push(Buffer.from(block));
          imageBytes += block.length;
        }
        await confirm({ imageBytes, hash: { algorithm, value: hash.digest('hex') } });
        published.set(image.ref, { image, bytes: Buffer.concat(blocks) });
      } finally {
        taking -= 1;
      }
    },
    async forget(image) {
      images.forgotten.push(image);
      await images.onForget();
    },
    async openOriginRead() {
      return { take: async () => {}, release: () => {} };
    },
  };
  return images;
}
