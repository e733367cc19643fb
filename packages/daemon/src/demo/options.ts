/** What `makeImages` makes when it is not told otherwise, and the proportions that are not for telling. */
export const demoImageDefaults: Readonly<
  Record<
    | 'changedFraction'
    | 'maxChangedFraction'
    | 'touchedFraction'
    | 'packageFraction'
    | 'trimmedFraction'
    | 'minBaseBytes'
    | 'maxBaseBytes'
    | 'maxSnapshots',
    number
  >
> = Object.freeze({
  /** Fraction of the base's data that a snapshot has and neither base nor sibling has: a web server's week, not a database's. */
  changedFraction: 0.025,
  /** Largest `changedFraction`: there must be free space in the base for it. */
  maxChangedFraction: 0.5,
  /** Of the changed fraction, the part that is small changes in place; the rest are new logs and data. */
  touchedFraction: 0.25,
  /** Size of one shared package, as a fraction of the base's data; a snapshot has two or three of them. */
  packageFraction: 0.01,
  /** Data of the base that a snapshot's guest has discarded, as a fraction. */
  trimmedFraction: 0.005,
  /** Data of the smallest base: 16 clusters, enough for each kind of content. */
  minBaseBytes: 1024 * 1024,
  /** Data of the largest base; the plans of its images are kept in memory. */
  maxBaseBytes: 256 * 1024 ** 3,
  /** Each image that is being made holds a file and a write buffer of 1 MiB. */
  maxSnapshots: 250,
});

/**
 * What `npm run demo` does when it is not told otherwise: a little over a minute straight from the origin. The link is slow for the images' size
 * because nine nodes share this machine's cores: what limits a storm in earnest is the store's link, and so it must be here.
 */
export const demoDefaults: Readonly<Record<'nodes' | 'baseBytes' | 'linkBytesPerSecond' | 'seed', number>> =
  Object.freeze({
    nodes: 8,
    baseBytes: 16 * 1024 * 1024,
    linkBytesPerSecond: 2_000_000,
    seed: 1,
  });
