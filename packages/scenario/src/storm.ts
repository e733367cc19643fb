/**
 * A storm, worked out to the last detail: nothing is random any more, nothing is left to whoever runs it. The simulator and the storm harness
 * run the same one. Times are milliseconds from the start of the storm, rates bytes per second (Infinity: no limit), hosts and zones indexes.
 */
export interface Storm {
  readonly name: string;
  /** One sentence for people. */
  readonly about: string;
  readonly seed: number;
  readonly hosts: readonly StormHost[];
  readonly zones: readonly StormZone[];
  readonly origin: StormOrigin;
  readonly control: StormControl;
  readonly packs: readonly StormPack[];
  readonly images: readonly StormImage[];
  readonly unshelves: readonly StormUnshelve[];
  readonly shelves: readonly StormShelve[];
  /** What hosts hold before it begins. */
  readonly holdings: readonly StormHolding[];
  readonly faults: readonly StormFault[];
  /** After so long a storm that is not over counts as hung. */
  readonly limitMs: number;
}

export interface StormHost {
  readonly name: string;
  readonly zone: number;
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
  readonly diskWriteBytesPerSecond: number;
}

export interface StormZone {
  readonly name: string;
  /** The zone's uplink, each direction: what crosses its border goes through it. */
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
}

/** The store's link, shared by all that leaves the store: what seeders send and what nodes read from Glance themselves. It lies outside of every zone. */
export interface StormOrigin {
  readonly bytesPerSecond: number;
  /** Daemons next to the store that hold every image of the storm from the start. */
  readonly seeders: number;
  /** Whether nodes can read images from Glance themselves, as the last resort. */
  readonly isReadable: boolean;
  /** What one ranged read costs Glance before its first byte. */
  readonly readDelayMs: number;
  /** The operator's limits for the whole cluster. */
  readonly budgetBytesPerSecond: number;
  readonly budgetReads: number;
}

export interface StormControl {
  /** One way of a message between two hosts, with all that JavaScript does to it. */
  readonly hopMs: number;
  /** From a piece's last byte until it counts: hashing and what goes with it. */
  readonly verifyMs: number;
  /** Each message takes up to so much longer, each on its own: they overtake each other. */
  readonly jitterMs: number;
  /** Part of gossiped messages that get lost, 0 to 1. Requests do not: they are TCP. */
  readonly gossipLoss: number;
}

/** All chunks are 64 KiB. How they divide into pieces follows from their number, as everywhere. */
export interface StormPack {
  readonly chunks: number;
}

/** Runs of packs; what two images share are the same chunks of the same packs. Zeros are not mentioned: they never travel. */
export interface StormImage {
  readonly name: string;
  readonly runs: readonly StormRun[];
}

export interface StormRun {
  readonly pack: number;
  readonly firstChunk: number;
  readonly chunkCount: number;
}

export interface StormUnshelve {
  readonly host: number;
  readonly image: number;
  readonly atMs: number;
}

/** From `atMs` on the host holds all of the image, as if it had just uploaded it. */
export interface StormShelve {
  readonly host: number;
  readonly image: number;
  readonly atMs: number;
}

export interface StormHolding {
  readonly host: number;
  readonly run: StormRun;
}

/** `untilMs` may be Infinity. */
export type StormFault =
  | { readonly kind: 'kill'; readonly host: number; readonly atMs: number }
  /** After a kill. The last so many chunks that were written are lost, and the store knows it. */
  | { readonly kind: 'restart'; readonly host: number; readonly atMs: number; readonly tornChunks: number }
  /** Neither sends nor receives nor decides; its connections stay open. */
  | { readonly kind: 'stall'; readonly host: number; readonly atMs: number; readonly untilMs: number }
  /** Its links, or its CPU (hops and verifying take longer), work at this fraction of their speed. */
  | {
      readonly kind: 'slowLink';
      readonly host: number;
      readonly atMs: number;
      readonly untilMs: number;
      readonly factor: number;
    }
  | {
      readonly kind: 'slowCpu';
      readonly host: number;
      readonly atMs: number;
      readonly untilMs: number;
      readonly factor: number;
    }
  /** `badChunks`: what it sends has not its digests. `falseHaves`: it shows everything and answers "absent". */
  | { readonly kind: 'lie'; readonly host: number; readonly atMs: number; readonly lie: 'badChunks' | 'falseHaves' }
  /** These hosts and all others do not reach each other. The seeders and the store are on the others' side. */
  | { readonly kind: 'partition'; readonly hosts: readonly number[]; readonly atMs: number; readonly untilMs: number }
  /** All seeders die. `isOrderly`: each leaves when its rule for leaving allows it. */
  | { readonly kind: 'seedersLeave'; readonly atMs: number; readonly isOrderly: boolean }
  /** Reads from the store itself: refused at once, never answered, or broken off half-way. */
  | {
      readonly kind: 'originFails';
      readonly atMs: number;
      readonly untilMs: number;
      readonly how: 'errors' | 'hangs' | 'truncates';
    };
