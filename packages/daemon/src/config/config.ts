/**
 * The configuration as the daemon uses it: parsed, in base units, nothing optional. The table in `settings.ts` says what each key means,
 * and yields validation, `--help` and docs/configuration.md.
 */
export interface Config {
  readonly node: {
    /** Identity, store and control socket live here. */
    readonly dataDirectory: string;
    readonly zone: string;
  };
  readonly network: {
    readonly listen: readonly string[];
    readonly announce: readonly string[];
    readonly bootstrap: readonly string[];
    readonly clusterKeyFile: string;
    readonly mdns: boolean;
    readonly dials: boolean;
    /** Infinity: what the system says. */
    readonly linkBytesPerSecond: number;
    /** How pieces travel; `off`: over libp2p streams. */
    readonly bulk: 'tls' | 'plain' | 'off';
    readonly bulkListen: readonly string[];
    readonly bulkAnnounce: readonly string[];
  };
  readonly store: {
    readonly maxBytes: number;
    /** How images that are ingested here are kept and sent. */
    readonly encoding: 'auto' | 'zstd' | 'off';
  };
  readonly origin: {
    readonly kind: 'none' | 'directory' | 'glance' | 'glance-store' | 'http';
    readonly path: string;
    readonly url: string;
    readonly tokenFile: string;
    /** `public` or `project:<id>`: whose the images from here are. */
    readonly domain: string;
    readonly idleTimeoutMs: number;
  };
  /** Glance's image API for the Nova on this host. */
  readonly gateway: {
    /** `host:port`; empty: there is none, unless systemd hands a socket over. */
    readonly listen: string;
    /** Glance itself. */
    readonly glance: string;
    readonly caFile: string;
    readonly stallMs: number;
    readonly spool: boolean;
    readonly spoolMaxBytes: number;
    /** How long requests under way may go on when the daemon is told to stop. */
    readonly drainMs: number;
  };
  readonly images: {
    /** How many nodes of other zones are asked to keep what is shelved here. */
    readonly replicas: number;
    /** What this node keeps at most for others that asked it to. */
    readonly heldMaxBytes: number;
    /** How long a project's image is kept after it was last asked for. */
    readonly privateTtlMs: number;
  };
  readonly trust: {
    /** Peer ids whose image records are believed without hashing the whole image. */
    readonly publishers: readonly string[];
  };
  readonly limits: {
    readonly uploadBytesPerSecond: number;
    readonly downloadBytesPerSecond: number;
    readonly originBytesPerSecond: number;
    readonly originReads: number;
    readonly memoryBytes: number;
    readonly giveUpMs: number;
  };
  readonly seeder: {
    /** How long a seeder that is told to stop waits until nodes can do without it. */
    readonly drainMs: number;
  };
  readonly control: {
    readonly socket: string;
    readonly metricsListen: string;
  };
  /** Images as files for the Nova of this host: deploy/nova-plugin. */
  readonly exports: {
    /** Empty: there are none. */
    readonly socket: string;
    readonly directory: string;
    /** Name or number; empty: only the daemon's own user may have them. */
    readonly group: string;
  };
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'json' | 'text';
    /** File that is told of each piece; empty: none. */
    readonly pieces: string;
  };
}

/** `section.key` for every key there is. */
export type ConfigKey = { [S in keyof Config]: `${S}.${keyof Config[S] & string}` }[keyof Config];

type At<Key extends ConfigKey> = Key extends `${infer S extends keyof Config}.${infer K}`
  ? K extends keyof Config[S]
    ? Config[S][K]
    : never
  : never;

/** The value a key holds. */
export type ConfigValue<Key extends ConfigKey> = At<Key>;
