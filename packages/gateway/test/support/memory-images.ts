import { createHash } from 'node:crypto';
import type {
  BytesBySource,
  GlanceImage,
  ImageService,
  OpenedImage,
  OriginRead,
  PendingImage,
} from '../../src/index.ts';

type OpenOptions = Parameters<ImageService['open']>[1];

/** What one call of `take` saw, and how it ended. */
export interface Taken {
  readonly image: PendingImage;
  bytes: Buffer;
  outcome: 'taking' | 'published' | 'nothing';
  readonly ended: Promise<void>;
}

/** A node in memory: it knows the images that a test gives it, and takes in what passes by. */
export interface MemoryImages extends ImageService {
  /** Where there is none, nobody knows the image. */
  onOpen: (image: GlanceImage, options: OpenOptions) => Promise<OpenedImage | undefined>;
  onOriginRead: (signal: AbortSignal) => Promise<OriginRead>;
  readonly opened: { readonly image: GlanceImage; readonly offset: number; readonly length: number }[];
  readonly taken: Taken[];
  /** Of reads of Glance: how many are held now, and all bytes that were asked for. */
  readonly origin: { held: number; takenBytes: number };
}

export function createMemoryImages(): MemoryImages {
  const opened: MemoryImages['opened'] = [];
  const taken: Taken[] = [];
  const origin = { held: 0, takenBytes: 0 };
  const memory: MemoryImages = {
    opened,
    taken,
    origin,
    onOpen: async () => undefined,
    onOriginRead: async () => {
      origin.held += 1;
      return {
        async take(bytes, { signal }) {
          signal.throwIfAborted();
          origin.takenBytes += bytes;
        },
        release() {
          origin.held -= 1;
        },
      };
    },
    open(image, options) {
      opened.push({ image, offset: options.offset, length: options.length });
      return memory.onOpen(image, options);
    },
    async take(image, bytes, { algorithm, confirm, signal }) {
      let ended: () => void = () => {};
      const entry: Taken = {
        image,
        bytes: Buffer.alloc(0),
        outcome: 'taking',
        ended: new Promise((resolve) => {
          ended = resolve;
        }),
      };
      taken.push(entry);
      try {
        const blocks: Uint8Array[] = [];
        for await (const block of bytes) {
          signal.throwIfAborted();
          blocks.push(block);
        }
        entry.bytes = Buffer.concat(blocks);
        const value = createHash(algorithm).update(entry.bytes).digest('hex');
        await confirm({ imageBytes: entry.bytes.length, hash: { algorithm, value } });
        entry.outcome = 'published';
      } catch (error) {
        entry.outcome = 'nothing';
        throw error;
      } finally {
        ended();
      }
    },
    async forget() {},
    openOriginRead: ({ signal }) => memory.onOriginRead(signal),
  };
  return memory;
}

/** Opens with these bytes, in blocks. */
export function openBytes(
  bytes: Uint8Array,
  { offset, length }: { readonly offset: number; readonly length: number },
  blockBytes = 65_536,
): OpenedImage {
  let given = 0;
  return {
    bytes: (async function* () {
      for (let at = offset; at < offset + length; at += blockBytes) {
        const block = bytes.subarray(at, Math.min(at + blockBytes, offset + length));
        given += block.length;
        yield block;
      }
    })(),
    bytesBySource: (): BytesBySource => ({ local: given, peer: 0, seeder: 0, origin: 0 }),
  };
}

/** Opens with `bytes` up to `breakAt` of the image, and then does what a broken source does. */
export function openBroken(
  bytes: Uint8Array,
  options: { readonly offset: number; readonly length: number },
  breakAt: number,
  then: () => Promise<unknown>,
): OpenedImage {
  const whole = openBytes(bytes, { offset: options.offset, length: Math.max(0, breakAt - options.offset) });
  return {
    ...whole,
    bytes: (async function* () {
      yield* whole.bytes;
      await then();
    })(),
  };
}
