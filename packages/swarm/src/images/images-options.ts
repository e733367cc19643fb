/** Numbers of what nodes say of images, and of tickets. */
export interface ImagesOptions {
  /** How long the word "I give tickets for this image" is good. Said three times as often. */
  readonly hereTtlMs: number;
  /** How long it is remembered that an image is gone. */
  readonly goneMs: number;
  /** (image, author) pairs that are remembered as gone, */
  readonly maxGone: number;
  /** and as to be had. */
  readonly maxHere: number;
  /** Of either, those of one author. */
  readonly maxPerAuthor: number;
  /** Peers that are asked on joining what is known of images. */
  readonly newcomerAsks: number;
  /** How long a ticket is good. */
  readonly ticketMs: number;
  /** By how much calendars may differ. */
  readonly skewMs: number;
  /** What one peer may ask for: so many at once, */
  readonly ticketBurst: number;
  /** and then so many a second. More are answered as if there were nothing. */
  readonly ticketsPerSecond: number;
  /** Tickets kept for questions for manifests, and remembered when they have ended. */
  readonly maxTickets: number;
  /** Those said to have the image are asked first; the others after this, if none of them has answered. */
  readonly hedgeMs: number;
}

export const imagesDefaults: ImagesOptions = Object.freeze({
  hereTtlMs: 600_000,
  goneMs: 24 * 3_600_000,
  maxGone: 65_536,
  maxHere: 131_072,
  maxPerAuthor: 16_384,
  newcomerAsks: 3,
  ticketMs: 60_000,
  skewMs: 30_000,
  // A host that unshelves 40 instances at once asks for 40, and a few more times while their publisher is still at it.
  ticketBurst: 256,
  ticketsPerSecond: 32,
  maxTickets: 4096,
  hedgeMs: 500,
});
