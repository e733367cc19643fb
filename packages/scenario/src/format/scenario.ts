/**
 * A scenario as its file says it, read and checked but not worked out: how many hosts, which link and what chance decides come with `expandScenario`.
 * Each interface is one table of the file, key by key; `scenario-keys.ts` says what each key means.
 */
export interface Scenario extends ScenarioTop {
  /** The file's name without `.toml`. */
  readonly name: string;
  /** For messages. */
  readonly file: string;
  readonly hosts: HostsTable;
  readonly groups: readonly GroupTable[];
  /** Absent: all hosts are in one zone whose uplink has no limit. */
  readonly zones: ZonesTable | undefined;
  readonly origin: OriginTable;
  readonly control: ControlTable;
  readonly images: readonly ImagesTable[];
  readonly unshelves: readonly UnshelvesTable[];
  readonly shelves: readonly ShelvesTable[];
  readonly cached: readonly CachedTable[];
  readonly faults: readonly FaultTable[];
}

export interface ScenarioTop {
  readonly about: string;
  readonly limit: Span | undefined;
}

export interface HostsTable {
  readonly count: number;
  /** Bytes per second. */
  readonly link: number;
  readonly diskWrite: Rate;
}

export interface GroupTable {
  readonly hosts: HostShare;
  readonly link: Rate;
}

export interface ZonesTable {
  readonly hostsPerZone: number;
  readonly oversubscription: number;
}

export interface OriginTable {
  readonly rate: Rate;
  readonly seeders: number;
  readonly isReadable: boolean;
  readonly readDelay: Span;
  readonly budget: Rate;
  readonly budgetReads: number | undefined;
}

export interface ControlTable {
  readonly hop: Span;
  readonly verify: Span;
  readonly jitter: Span;
  readonly gossipLoss: number;
}

export interface ImagesTable {
  readonly name: string;
  readonly count: number | 'perHost';
  /** Chunks. */
  readonly size: number;
  /** Chunks. */
  readonly maxSize: number | undefined;
  readonly base: string | undefined;
  readonly common: number | undefined;
}

/** What takes some images of a set, at some times. */
interface Wave {
  readonly images: string;
  readonly choose: 'first' | 'own' | 'each' | 'uniform' | 'zipf';
  readonly exponent: number;
  /** undefined: as many as there are hosts. */
  readonly count: number | undefined;
  readonly at: Span;
  readonly over: Span;
  readonly arrival: 'uniform' | 'poisson';
}

export type UnshelvesTable = Wave;
export type ShelvesTable = Wave;

export interface CachedTable {
  readonly images: string;
  readonly part: 'all' | 'common' | 'own';
  readonly where: 'everywhere' | 'elsewhere' | 'scattered';
  readonly copies: number;
}

export type FaultTable =
  | ({ readonly kind: 'kill' } & KillTable)
  | ({ readonly kind: 'stall' } & StallTable)
  | ({ readonly kind: 'slowLink' | 'slowCpu' } & SlowTable)
  | ({ readonly kind: 'lie' } & LieTable)
  | ({ readonly kind: 'partition' } & StallTable)
  | ({ readonly kind: 'seedersLeave' } & SeedersLeaveTable)
  | ({ readonly kind: 'originFails' } & OriginFailsTable);

export interface KillTable {
  readonly hosts: HostShare;
  readonly at: Span;
  readonly over: Span;
  readonly restartAfter: Span | undefined;
  readonly tornChunks: number;
}

export interface StallTable {
  readonly hosts: HostShare;
  readonly at: Span;
  readonly until: Span;
}

export interface SlowTable extends StallTable {
  readonly factor: number;
}

export interface LieTable {
  readonly hosts: HostShare;
  readonly at: Span;
  readonly lie: 'badChunks' | 'falseHaves';
}

export interface SeedersLeaveTable {
  readonly at: Span;
  readonly isOrderly: boolean;
}

export interface OriginFailsTable {
  readonly at: Span;
  readonly until: Span;
  readonly how: 'errors' | 'hangs' | 'truncates';
}

/** `links`: times the node link. */
export interface Rate {
  readonly unit: 'bytesPerSecond' | 'links';
  readonly amount: number;
}

/** `downloads`: times what the largest image takes on a node link; `bounds`: times the storm's T*. */
export interface Span {
  readonly unit: 'ms' | 'downloads' | 'bounds';
  readonly amount: number;
}

export interface HostShare {
  readonly unit: 'part' | 'hosts';
  readonly amount: number;
}
