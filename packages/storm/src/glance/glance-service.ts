import type { SourceImage } from '../source-images.ts';
import type { StormGlance } from '../storm-glance.ts';

/** The images that Glance has from the start. */
export type GlanceImages = readonly (SourceImage & {
  /** In the storm. */
  readonly index: number;
  readonly id: string;
  readonly visibility: 'public' | 'private';
})[];

/** A Glance that runs: all of it but which id is which image. */
export type GlanceService = Omit<StormGlance, 'kind' | 'id' | 'setId'>;
