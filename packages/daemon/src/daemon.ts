import type { PrefetchReport, PrefetchRequest } from './images/prefetch-images.ts';
import type { EvictionReport, FetchReport, ImageRef, SourceKind, VerifyReport } from '@quarry/content';

/** What one running node offers to its control socket and its command line. `compose.ts` makes it. */
export interface Daemon {
  /** Peer id: how other members know this node. */
  readonly nodeId: string;
  /** Multiaddrs, each ending in /p2p/<peer id>: what another node's `bootstrap` wants. */
  addresses(): readonly string[];
  status(): Promise<DaemonStatus>;
  /** What this node could fetch: its own records and those of connected members. */
  images(options: Cancellable): Promise<readonly ImageListing[]>;
  fetch(request: FetchImageRequest, options: Cancellable & Progressing): Promise<FetchImageReport>;
  /** Ingests image files, directories of them, or, with an origin, its images by reference. */
  seed(what: readonly string[], options: Cancellable & Progressing): Promise<SeedReport>;
  verify(options: Cancellable & Progressing): Promise<VerifyReport>;
  pin(image: string): Promise<number>;
  unpin(image: string): Promise<number>;
  /** Forgets images and what only they are made of: one, a project's (`project:<id>`), or `all`. With `isClusterWide` every member is told to. */
  purge(request: PurgeRequest, options: Cancellable): Promise<PurgeReport>;
  /** Has members fetch images ahead, and watches until they have. */
  prefetch(
    request: PrefetchRequest,
    options: Cancellable & { readonly onProgress?: ((progress: Progress) => void) | undefined },
  ): Promise<PrefetchReport>;
  gc(maxBytes: number | undefined, options: Cancellable): Promise<EvictionReport>;
  /**
   * Before a seeder stops: waits until what nodes still need is safe without it, or `timeoutMs` are over. A node need not wait.
   * `onWaiting` is called every half second or so while it waits.
   */
  drain(
    options: Cancellable & {
      readonly timeoutMs: number;
      readonly onWaiting?: ((leaving: LeavingView) => void) | undefined;
    },
  ): Promise<LeavingView>;
  /** The limits as they are now, after what is to be changed of them was. Until the daemon stops: the configuration stays as it is. */
  limits(change: LimitsChange): LimitsView;
  /** Prometheus text. */
  metrics(): Promise<string>;
  close(): Promise<void>;
}

export interface PurgeRequest {
  /** An image's reference, `project:<id>`, or `all`. */
  readonly what: string;
  readonly isClusterWide: boolean;
}

export interface PurgeReport {
  readonly images: readonly string[];
  readonly packs: number;
  /** Plain bytes of chunks. */
  readonly bytes: number;
  /** Images that all members were told of. One without a hash can only be purged host by host. */
  readonly told: number;
}

export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export interface Progressing {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A step of work under way, for a bar or a line of JSON. */
export interface Progress {
  /** `finding`, `fetching`, `rebuilding`, `ingesting`, `verifying`. */
  readonly step: string;
  readonly image?: string;
  readonly doneBytes: number;
  /** Undefined where nobody knows how much there will be. */
  readonly totalBytes: number | undefined;
  readonly bytesBySource?: Readonly<Record<SourceKind, number>>;
  /** Of a prefetch: where it stands, node by node. */
  readonly prefetch?: PrefetchReport;
}

export interface FetchImageRequest {
  readonly image: string;
  /** Absolute path of the file to make. */
  readonly destination: string;
  readonly overwrite?: boolean;
  /** Hash the whole rebuilt image too, even if its publisher is trusted. */
  readonly checkHash?: boolean;
  /** `sha512:<hex>` that the image must have. */
  readonly expectedHash?: string;
}

/** Bytes a second, or reads; null: no limit. */
export interface LimitsView {
  /** What this node sends to other members, and receives from them. */
  readonly uploadBytesPerSecond: number | null;
  readonly downloadBytesPerSecond: number | null;
  /** Of the whole cluster, as this node has it. */
  readonly originBytesPerSecond: number | null;
  readonly originReads: number | null;
}

/** What is not named stays. */
export type LimitsChange = { readonly [Name in keyof LimitsView]?: LimitsView[Name] | undefined };

export interface FetchImageReport {
  readonly image: string;
  readonly destination: string;
  readonly imageBytes: number;
  /** Plain. */
  readonly bytesBySource: Readonly<Record<SourceKind, number>>;
  /** Of these what crossed a link, as it did: encoded, where the pieces were. */
  readonly wireBytesBySource: Readonly<Record<SourceKind, number>>;
  readonly duplicateBytes: number;
  readonly badChunks: number;
  readonly fetchMs: number;
  readonly rebuildMs: number;
  /** Whether the whole image's hash was checked (every chunk's always is). */
  readonly isHashChecked: boolean;
}

export interface SeedReport {
  readonly images: readonly SeededImage[];
  readonly failures: readonly { readonly image: string; readonly code: string; readonly message: string }[];
}

export interface SeededImage {
  readonly image: ImageRef;
  readonly imageBytes: number;
  /** Bytes that were not known here before. */
  readonly newBytes: number;
  readonly durationMs: number;
}

export interface ImageListing {
  readonly image: string;
  readonly imageBytes: number;
  readonly domain: string;
  readonly hash: string | undefined;
  readonly publisher: string;
  readonly isTrusted: boolean;
  /** Bytes of its chunks that lie on this host. */
  readonly localBytes: number | undefined;
  readonly isPinned: boolean;
}

export interface DaemonStatus {
  readonly version: string;
  readonly nodeId: string;
  readonly role: 'node' | 'seeder';
  readonly zone: string;
  readonly uptimeMs: number;
  readonly addresses: readonly string[];
  readonly digest: string;
  readonly origin: string;
  readonly store: {
    readonly directory: string;
    readonly packs: number;
    /** Plain bytes of chunks. */
    readonly presentBytes: number;
    /** What they take on disk, which is what `maxBytes` bounds. */
    readonly storedBytes: number;
    readonly maxBytes: number;
    readonly pinnedPacks: number;
  };
  readonly memory: { readonly rssBytes: number };
  /** Connected, and known to be members. */
  readonly peers: number;
  /** Known to be alive, this node included. */
  readonly members: number;
  /** Bytes of pieces, as they were sent, from and to members of other zones, since the daemon started. */
  readonly crossZone: { readonly receivedBytes: number; readonly sentBytes: number };
  /** How requests and answers travelled. */
  readonly network: NetworkView;
  /** This node's part in the limit on what leaves the store; undefined without a limit. In JSON a limit that there is not is null. */
  readonly originBudget: OriginBudgetView | undefined;
  readonly limits: LimitsView;
  /** Why this seeder, which is to stop, is still here; undefined while it is not. */
  readonly leaving: LeavingView | undefined;
  readonly swarm: unknown;
}

/** Bytes as they travel, without encryption and gossip, since the daemon started. */
export interface NetworkView {
  /** Where others are told to connect for pieces, as multiaddrs; `/tcp/<port>`: at whatever address they reach this node. */
  readonly bulkAddresses: readonly string[];
  /** Open now, in both directions. */
  readonly bulkConnections: number;
  /** Requests for pieces that went over libp2p because no connection of their own was to be had. */
  readonly bulkFallbacks: number;
  /** Incoming connections that did not prove whose they are. */
  readonly bulkRefused: number;
  readonly bulk: { readonly sentBytes: number; readonly receivedBytes: number };
  readonly libp2p: { readonly sentBytes: number; readonly receivedBytes: number };
}

export interface LeavingView {
  readonly mayLeave: boolean;
  readonly waitedMs: number;
  /** Pieces that nodes need and too few of them hold. */
  readonly unsafePieces: number;
  /** Peer ids of nodes that need them. */
  readonly needers: readonly string[];
  /** Peer ids of nodes that have not said yet what they need. */
  readonly unheard: readonly string[];
}

export interface OriginBudgetView {
  /** Peer id of who grants. */
  readonly grantor: string | undefined;
  readonly budget: { readonly bytesPerSecond: number | null; readonly reads: number | null };
  /** What this node may take now. */
  readonly allowance: { readonly bytesPerSecond: number | null; readonly reads: number | null };
  /** Bytes that it took since it started: read, or sent as they were sent. */
  readonly takenBytes: number;
  /** Leases that this node has granted to others and itself, and the part of the budget (0 to 1) that it may grant. */
  readonly granting: { readonly leases: number; readonly lentPart: number };
}

/** Totals of a fetch report, for those who count several. */
export function addSources(
  a: FetchReport['bytesBySource'],
  b: FetchReport['bytesBySource'],
): Record<SourceKind, number> {
  return { local: a.local + b.local, peer: a.peer + b.peer, seeder: a.seeder + b.seeder, origin: a.origin + b.origin };
}
