/** Every number of this package in one place. */
export const imageDefaults: ImageDefaults = Object.freeze({
  blockBytes: 1024 * 1024,
  batchBytes: 4 * 1024 * 1024,
  batchesUnderWay: 2,
  maxReadAheadBytes: 4 * 1024 * 1024,
  maxUnwrittenBytes: 12 * 1024 * 1024,
  maxThreads: 4,
  maxHeldBytes: 16 * 1024 * 1024,
  threadsFromBytes: 4 * 1024 * 1024,
  threadIdleMs: 60_000,
  writeBytes: 448 * 1024,
  concurrentWrites: 2,
  threadWriteBytes: 4 * 448 * 1024,
  hashBlockBytes: 1024 * 1024,
  maxUnhashedBlocks: 8,
  stepBytes: 1024 * 1024,
  concurrentSteps: 3,
  concurrentCopies: 8,
  stepsAhead: 4,
  stallMs: 10_000,
  maxDescriptorsInMemory: 128,
  findPatienceMs: 5_000,
  findPauseMs: 500,
  concurrentFinds: 8,
  maxGapBytes: 256 * 1024,
  maxReadBytes: 32 * 1024 * 1024,
});

export interface ImageDefaults {
  /** Small buffers of a source are gathered into blocks of this many bytes. */
  readonly blockBytes: number;
  /** An ingest asks the store for the chunks of about this many bytes at once. */
  readonly batchBytes: number;
  /** Batches that are being hashed or looked up while the one before them is placed. */
  readonly batchesUnderWay: number;
  /** How much of a source is read before it is cut and hashed. */
  readonly maxReadAheadBytes: number;
  /** How much an ingest may have handed to the store that is not written yet. */
  readonly maxUnwrittenBytes: number;
  /** Threads that hash and encode, at most, however many cores there are: four keep up with any disk. */
  readonly maxThreads: number;
  /**
   * Compressed chunks that are held until it is known how many make a piece: those of some 650 chunks. Where there are more, and the pack stays small after
   * all, the store compresses them anew, on its own thread.
   */
  readonly maxHeldBytes: number;
  /** What is done on the calling thread before any other is begun: beginning one takes as long as hashing 100 MB. */
  readonly threadsFromBytes: number;
  /** How long threads that several operations share are kept with nothing to do: each takes some 15 MB. */
  readonly threadIdleMs: number;
  /**
   * Bytes per write, and writes under way at once. From 512 KiB on the kernel takes folios so large that a virtual machine has to get them from its host:
   * 2.5 s for 1 GiB instead of 0.5 (ext4, Linux 6.18). A file takes one write at a time; the second is there to begin when the first ends.
   */
  readonly writeBytes: number;
  readonly concurrentWrites: number;
  /** Bytes that another thread is told to write at once, in writes of that size. */
  readonly threadWriteBytes: number;
  /** Bytes per message to the thread that hashes a whole image, and how many of them may be on their way. */
  readonly hashBlockBytes: number;
  readonly maxUnhashedBlocks: number;
  /** A rebuild reads, hashes and writes about this many bytes at a time, and so many such steps overlap. */
  readonly stepBytes: number;
  readonly concurrentSteps: number;
  /** Steps under way where other threads do all of it: twice as many as there may be threads, that none waits for its next. */
  readonly concurrentCopies: number;
  /** Steps that a stream reads ahead of who takes it, each in memory. */
  readonly stepsAhead: number;
  /** How long the bytes that a stream needs next may stay away before they are read from the origin; and how long that may take. */
  readonly stallMs: number;
  /** Descriptors (143 KB each at most) that a reader keeps; with fewer than an image alternates between, they are loaded again and again. */
  readonly maxDescriptorsInMemory: number;
  /** How long to go on asking the peers for a record, manifest or descriptor before turning to the origin: at start a node has no peers yet. */
  readonly findPatienceMs: number;
  /** Upper end of the pause between two questions; each is drawn from [half of it, it]. */
  readonly findPauseMs: number;
  /** Descriptors asked for at once. */
  readonly concurrentFinds: number;
  /**
   * Bytes between two wanted ranges of an image at its origin that are read and dropped. Another request costs Glance 18 ms, in which a link of 1 Gbit/s
   * carries 2 MiB; an eighth of that, because the store's link is what a storm runs short of first.
   */
  readonly maxGapBytes: number;
  /** The longest single read from an origin: longer ones save nothing, and hold a worker of Glance's for longer. */
  readonly maxReadBytes: number;
}
