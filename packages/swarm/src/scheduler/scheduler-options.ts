/**
 * How a receiver schedules, but for what adapts to the link (link-pace.ts). Which piece is asked for matters least (prototype: ablations).
 */
export interface SchedulerOptions {
  /** Useful peers among which the least loaded is taken. */
  readonly sampledPeers: number;
  /** Pieces among which the rarest is taken. */
  readonly sampledPieces: number;
  /**
   * Where a link is slow and nothing is compressed, no fewer chunks of a piece are asked for at once where more are shown: 1, 2, 4, 8 or 16. One instead of
   * two brings nothing where seeders give single chunks, and makes up to twice the requests.
   */
  readonly minPartChunks: number;
  /** A request without progress is given a second source after this long; adapts between the two to the gaps observed. */
  readonly minHedgeMs: number;
  readonly maxHedgeMs: number;
  /** A request without progress is broken off after this long, and its peer left alone for a while; adapts between the two to the gaps observed. */
  readonly stallMs: number;
  readonly maxStallMs: number;
  /** No request lasts longer, whatever its progress. */
  readonly requestDeadlineMs: number;
  /** How long a stalled peer is left alone the first time; doubles up to the second. */
  readonly firstParkMs: number;
  readonly maxParkMs: number;
  /** A peer that has been busy for this long without giving anything counts as stalled. */
  readonly busyStallMs: number;
  /** Times a peer may say "absent" of what it showed, per pack and in all, before its word counts no more. A piece given takes one back. */
  readonly maxFalseHavesPerPack: number;
  readonly maxFalseHaves: number;
  /** Packs named in one ask. */
  readonly maxAskPacks: number;
  /** An ask without an answer or progress is broken off after this long; longer than a seeder holds one (ledger: longPollMs). */
  readonly askStallMs: number;
  /** Pause before the next ask after a dry answer; doubles up to the second. */
  readonly firstDryPauseMs: number;
  readonly maxDryPauseMs: number;
  /** A seeder that has had nothing for this node for so long, and does not say what it lacks, is not waited for any more. */
  readonly fruitlessMs: number;
  /** How long a node without a seeder listens to others before it reads from the last resort. */
  readonly leaseGraceMs: number;
  /** The same while a seeder is known that is not connected, or does not answer. */
  readonly seederPatienceMs: number;
  /**
   * What is read from the last resort in one go: as many consecutive pieces as this holds. Nodes that disagree would read the same bytes.
   * Large enough to make Glance's 18 ms a read small, small enough that 64 MiB still have eight readers: one does not fill the store's link.
   */
  readonly leaseRunBytes: number;
  /** Runs that are read at once by all nodes together: the next begins when so many are not yet known to exist anywhere. */
  readonly leaseFrontier: number;
  /** A run whose reader shows nothing for this long passes to the next in rank; longer where pieces come slowly, up to the second. */
  readonly leaseRankMs: number;
  readonly maxLeaseRankMs: number;
  /** Runs read by this node at once; with one, a node alone would wait 18 ms for each 67 that its link of 1 Gbit/s is busy. */
  readonly leaseReads: number;
  /** A read from the last resort that brings nothing for this long is broken off. */
  readonly leaseStallMs: number;
  /** Pause after a failed read; doubles up to the second. */
  readonly firstLeasePauseMs: number;
  readonly maxLeasePauseMs: number;
  /** Requests to peers of other zones at once, at least, where zone mates fetch the same; of a larger window up to a quarter. */
  readonly minFarWindow: number;
  /** A piece whose leader in the zone lets nothing new be seen for this long passes to the next in rank; longer where pieces take long to cross. */
  readonly crossRankMs: number;
  /** The same when the leader shows other pieces, but not this one. */
  readonly crossSkipMs: number;
  /** A piece that zone mates show, but could not be asked for in so long although the window had room, is fetched from outside all the same. */
  readonly slowMatesMs: number;
  /** Pause between two attempts to find a member that shows a piece no connected one has. */
  readonly seekPauseMs: number;
}

export const schedulerDefaults: SchedulerOptions = Object.freeze({
  sampledPeers: 3,
  sampledPieces: 4,
  minPartChunks: 2,
  minHedgeMs: 200,
  maxHedgeMs: 1000,
  stallMs: 3000,
  maxStallMs: 12_000,
  requestDeadlineMs: 60_000,
  firstParkMs: 5000,
  maxParkMs: 300_000,
  busyStallMs: 10_000,
  maxFalseHavesPerPack: 3,
  maxFalseHaves: 10,
  maxAskPacks: 128,
  askStallMs: 5000,
  firstDryPauseMs: 100,
  maxDryPauseMs: 1000,
  fruitlessMs: 25_000,
  leaseGraceMs: 300,
  seederPatienceMs: 3000,
  leaseRunBytes: 8 * 1024 * 1024,
  leaseFrontier: 32,
  leaseRankMs: 2000,
  maxLeaseRankMs: 10_000,
  leaseReads: 8,
  leaseStallMs: 30_000,
  firstLeasePauseMs: 500,
  maxLeasePauseMs: 8000,
  minFarWindow: 4,
  crossRankMs: 1000,
  crossSkipMs: 10_000,
  slowMatesMs: 3000,
  seekPauseMs: 250,
});
