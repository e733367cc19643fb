import type { Waiting } from './storm-network.ts';

/** Glance in the origin's namespace: the embedded one, which answers as Glance does, or a real one. */
export interface StormGlance {
  readonly kind: 'embedded' | 'real';
  /** `http://10.…:9292`, reachable from every place. */
  readonly url: string;
  /** What callers send as X-Auth-Token. */
  readonly token: string;
  /** Directory whose files are named by image id: Glance's file store. */
  readonly storeDirectory: string;
  /** Ids of the storm's images that Glance has; undefined where it has not (yet), as of one that is shelved during the storm. By the storm's order. */
  id(image: number): string | undefined;
  /** Registers an image that somebody has uploaded under this id. */
  setId(image: number, id: string): void;
  /** Reads of image data fail from now on; undefined: they work again. */
  setFailing(how: 'errors' | 'hangs' | 'truncates' | undefined, options: Waiting): Promise<void>;
  /** Bytes of image data in answers so far, by Glance's own account. */
  sentBytes(options: Waiting): Promise<number>;
}
