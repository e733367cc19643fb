import type { Domain, ImageHash, ImageRef } from '@quarry/content';

/** Headers that say who asks: they go to Glance and nowhere else, never into a log, a file or a message to a peer. */
export interface Caller {
  /** By lower-case name: `x-auth-token`, `x-service-token`, `x-openstack-request-id`, … as the caller sent them. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An image whose data Glance does not have yet. */
export interface PendingImage {
  readonly ref: ImageRef;
  /** `public`, or the owner's project. */
  readonly domain: Domain;
  /** What `base_image_ref` names: most of a snapshot is in it. */
  readonly baseImage: ImageRef | undefined;
  /** What `instance_uuid` names: earlier snapshots of the same instance share most of their chunks. */
  readonly instance: string | undefined;
}

/** What Glance has just said, to this caller, that an image is. Its content is bound by hash and size, never by its id alone. */
export interface GlanceImage extends PendingImage {
  readonly imageBytes: number;
  readonly hash: ImageHash;
}

/** Plain bytes, by where they came from. */
export type BytesBySource = Readonly<Record<'local' | 'peer' | 'seeder' | 'origin', number>>;

export interface OpenedImage {
  /** Exactly the bytes asked for, in order, each verified; or it throws. To be read once; whoever leaves early ends all that is under way. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Of the image, so far. */
  bytesBySource(): BytesBySource;
  /**
   * Whether the image is proven to be the right one by its last bytes only, so that what came before may be wrong: nobody else may go on with it where it fails.
   * Default false.
   */
  readonly isProvenLast?: boolean;
  /** For who is done with one of its buffers, and has let nobody else look at it: it is used again. Passes over those of others. */
  recycle?(bytes: Uint8Array): void;
}

/** What is seen of an image that passes by. */
export interface SeenImage {
  readonly imageBytes: number;
  readonly hash: ImageHash;
}

/** Room for one read of Glance beside those of the swarm, under the budget of the whole cluster. */
export interface OriginRead {
  /** Resolves when so many more bytes may cross the store's link. */
  take(bytes: number, waiting: { readonly signal: AbortSignal }): Promise<void>;
  release(): void;
}

/**
 * What the gateway needs of the rest of a node. Laws:
 * - No method is called for a caller to whom Glance has not said yes just before.
 * - `open` resolves when the first bytes are at hand, so that whatever is wrong before is a rejection; to undefined where nobody knows how the image is made.
 * - `take` reads `bytes` to the end as they pass by, and publishes the image once `confirm` (called when all is in, with what was seen) has resolved. If
 *   it rejects, or `bytes` does, or the signal aborts, nothing of it remains. It must not hold up who feeds it for longer than the disk needs.
 * - `forget` makes the whole cluster forget the image.
 */
export interface ImageService {
  open(
    image: GlanceImage,
    options: {
      readonly caller: Caller;
      /** First byte; 0 is the image's first. */
      readonly offset: number;
      readonly length: number;
      readonly signal: AbortSignal;
      /** Called as bytes of the image arrive on this host, in whatever order, before the first of them can be given. Must not throw. */
      readonly onProgress?: (() => void) | undefined;
    },
  ): Promise<OpenedImage | undefined>;
  take(
    image: PendingImage,
    bytes: AsyncIterable<Uint8Array>,
    options: {
      /** Glance's algorithm where it is known, or what it usually is (sha512). */
      readonly algorithm: ImageHash['algorithm'];
      readonly confirm: (seen: SeenImage) => Promise<void>;
      readonly signal: AbortSignal;
      /** Called with each of the buffers when it is not needed any more. */
      readonly onDone?: ((bytes: Uint8Array) => void) | undefined;
    },
  ): Promise<void>;
  forget(image: GlanceImage): Promise<void>;
  openOriginRead(waiting: { readonly signal: AbortSignal }): Promise<OriginRead>;
}
