/** What origins do when they are not told otherwise. Times are milliseconds, sizes bytes. */
export const originDefaults: Readonly<
  Record<
    | 'idleTimeoutMs'
    | 'maxDiscardBytes'
    | 'fileBufferBytes'
    | 'bodyBufferBytes'
    | 'maxRecordBytes'
    | 'pageImages'
    | 'maxKnownImages',
    number
  >
> = Object.freeze({
  /** How long an origin may send nothing while we wait. A truncated store file makes Glance hang with the connection open. */
  idleTimeoutMs: 30_000,
  /** What `open` reads and throws away to get to an offset where there are no ranges; beyond it is ORIGIN_NO_RANGE. */
  maxDiscardBytes: 64 * 2 ** 20,
  /** One read of a file. */
  fileBufferBytes: 2 ** 20,
  /** What is read ahead of a body, per stream. */
  bodyBufferBytes: 2 ** 20,
  /** Largest answer that is not an image: Glance's record of an image is about 1 KiB, a page of 100 about 100 KiB. */
  maxRecordBytes: 4 * 2 ** 20,
  /** Images per page of Glance's list; its own default is 25. */
  pageImages: 100,
  /** Images of which is remembered whether they can be read from the middle. */
  maxKnownImages: 10_000,
});
