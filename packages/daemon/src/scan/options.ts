export interface ScanDefaults {
  /** What is remembered of chunks, at most. */
  readonly memoryBytes: number;
  /** Images read at once: one is read while another is cut. */
  readonly concurrent: number;
  /** Part of the data that is compressed for a sample. */
  readonly compressedPart: number;
  /** Of such a piece, plain: what a piece of an ingest has. */
  readonly pieceBytes: number;
  /** Images that share this part of their data with another one count as its family. */
  readonly familyPart: number;
  /** Families that the report names. */
  readonly maxFamilies: number;
  /** How a scan's time to print its report is bounded after Ctrl-C. */
  readonly stopMs: number;
  /**
   * What a storm takes beyond the bound: from 1 (nobody beats it) to what `npm run storm` must show of real processes (docs/storm.md). The bound is of links
   * only, so hosts whose disks are slower than their links take longer.
   */
  readonly expectedFactor: number;
}

export const scanDefaults: ScanDefaults = Object.freeze({
  memoryBytes: 256 * 2 ** 20,
  concurrent: 2,
  compressedPart: 1 / 64,
  pieceBytes: 2 ** 20,
  familyPart: 0.2,
  maxFamilies: 5,
  stopMs: 10_000,
  expectedFactor: 1.2,
});
