import type { Origin, OriginImage } from '@quarry/content';

/** An image that is to be scanned, and where it is read from. */
export interface ScanSource {
  readonly origin: Origin;
  readonly image: OriginImage;
}
