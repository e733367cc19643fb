import type { ConfigKey, ConfigValue } from './config.ts';
import { choice, count, countOrNone, duration, flag, rate, size, text, textList } from './value-kind.ts';
import type { ValueKind } from './value-kind.ts';

export interface Setting<T> {
  readonly kind: ValueKind<T>;
  readonly default: T;
  /** How the default is written down where it is worked out at start ("<data directory>/control.sock"). */
  readonly defaultText?: string;
  /** The command line's name for it, without `--`. */
  readonly flag: string;
  readonly doc: string;
}

type Settings = { readonly [Key in ConfigKey]: Setting<ConfigValue<Key>> };

/** The one table: validation, `--help` and docs/configuration.md are made from it. Order here is order there. */
export const settings: Settings = {
  'node.dataDirectory': {
    kind: text,
    default: '/var/lib/quarry',
    flag: 'data',
    doc: 'Directory of the identity, the store and the control socket. Made if missing, readable by its owner only. One process at a time.',
  },
  'node.zone': {
    kind: text,
    default: 'default',
    flag: 'zone',
    doc: 'Rack or availability zone. Nodes of one zone fetch from each other; what none of them has, one fetches for all.',
  },
  'network.listen': {
    kind: textList,
    default: ['/ip4/0.0.0.0/tcp/4747'],
    flag: 'listen',
    doc: 'Addresses to accept peers on, as multiaddrs. Port 0 takes any free port.',
  },
  'network.announce': {
    kind: textList,
    default: [],
    flag: 'announce',
    doc: 'Addresses to tell others instead of those listened on, for a host behind a relay or NAT. Empty: the ones listened on.',
  },
  'network.bootstrap': {
    kind: textList,
    default: [],
    flag: 'bootstrap',
    doc: 'Members to meet first, as multiaddrs that end in /p2p/<peer id>. Two or three are enough; the rest are found by gossip.',
  },
  'network.clusterKeyFile': {
    kind: text,
    default: '',
    defaultText: '"<data directory>/cluster.key"',
    flag: 'cluster-key-file',
    doc: 'File with the cluster key (`quarry key` makes one). Who does not have it cannot connect. Keep it readable by its owner only.',
  },
  'network.mdns': {
    kind: flag,
    default: false,
    flag: 'mdns',
    doc: 'Also find members by multicast DNS on the local network.',
  },
  'network.dials': {
    kind: flag,
    default: true,
    flag: 'dials',
    doc: 'Whether this node dials others. A seeder whose link is measured at a relay only accepts: then false.',
  },
  'network.bulk': {
    kind: choice('tls', 'plain', 'off'),
    default: 'tls',
    flag: 'bulk',
    doc: 'How pieces travel: over TLS 1.3 on a port of their own; over plain TCP there to those who are set to it too, which lets whoever can listen to the network read images; or over libp2p like all else (slower, one port). What cannot be reached over its own port is reached over libp2p.',
  },
  'network.bulkListen': {
    kind: textList,
    default: [],
    defaultText: 'network.listen, one port higher',
    flag: 'bulk-listen',
    doc: 'Addresses to accept connections for pieces on, as multiaddrs. Port 0 takes any free port.',
  },
  'network.bulkAnnounce': {
    kind: textList,
    default: [],
    flag: 'bulk-announce',
    doc: 'Addresses of these to tell others instead of those listened on. Empty: the ones listened on; with network.announce set, none: then pieces from here travel over libp2p.',
  },
  'network.linkBytesPerSecond': {
    kind: rate,
    default: Infinity,
    defaultText: 'what the system says of the interface of the default route, else 10 Gbit/s',
    flag: 'link-rate',
    doc: 'How fast the link is between this host and those that fetch from it. Only `store.encoding = "auto"` asks; it limits nothing.',
  },
  'store.maxBytes': {
    kind: size,
    default: 100 * 2 ** 30,
    flag: 'store-size',
    doc: 'Chunk data to keep at most, in bytes on disk: compressed pieces count as what they take. The packs used least recently go first; pinned ones and those being read stay.',
  },
  'store.encoding': {
    kind: choice('auto', 'zstd', 'off'),
    default: 'auto',
    flag: 'encoding',
    doc: 'Whether pieces of images that are ingested here are kept and sent as zstd frames (level 1) where that makes them smaller. Whoever fetches them passes them on as they came. `auto`: where the link is slower than what decoding costs, by this machine’s speed; the log says what was chosen and why.',
  },
  'origin.kind': {
    kind: choice('none', 'directory', 'glance', 'glance-store', 'http'),
    default: 'none',
    flag: 'origin',
    doc: 'Where images come from when no member has them: nowhere, a directory of image files, Glance over HTTP, the directory of Glance’s file store, or a plain HTTP(S) server.',
  },
  'origin.path': {
    kind: text,
    default: '',
    flag: 'origin-path',
    doc: 'The directory, where the origin is `directory` or `glance-store`.',
  },
  'origin.url': {
    kind: text,
    default: '',
    flag: 'origin-url',
    doc: 'The base URL, where the origin is `glance` or `http`. With `glance-store`: Glance itself, which then says what each image is and whether it is whole.',
  },
  'origin.tokenFile': {
    kind: text,
    default: '',
    flag: 'origin-token-file',
    doc: 'File with the Keystone token for Glance; read again for each request, never logged, never sent to a peer.',
  },
  'origin.domain': {
    kind: text,
    default: 'public',
    flag: 'domain',
    doc: 'Whose the images are that are ingested here: "public", or "project:<id>" for one project’s private images. Chunks are never shared between two projects.',
  },
  'origin.idleTimeoutMs': {
    kind: duration,
    default: 30_000,
    flag: 'origin-idle-timeout',
    doc: 'How long the origin may send nothing before the read is given up. A truncated store file makes Glance hang with the connection open.',
  },
  'gateway.listen': {
    kind: text,
    default: '',
    flag: 'gateway',
    doc: 'host:port of a Glance API for the Nova on this host (`[glance] endpoint_override = http://127.0.0.1:9292`). Empty: none, unless systemd hands over a socket called `gateway`. Loopback, or TLS in front of it: callers’ tokens pass here.',
  },
  'gateway.glance': {
    kind: text,
    default: '',
    defaultText: 'origin.url, where the origin is Glance',
    flag: 'glance',
    doc: 'URL of Glance itself. Every read is allowed by it, with the caller’s own token; all that is not served from chunks goes there.',
  },
  'gateway.caFile': {
    kind: text,
    default: '',
    flag: 'glance-ca-file',
    doc: 'File with the certificates (PEM) by which Glance’s is checked. Empty: those of the system.',
  },
  'gateway.stallMs': {
    kind: duration,
    default: 30_000,
    flag: 'gateway-stall',
    doc: 'How long a body may be silent: then the bytes are taken from elsewhere, or the connection is cut. Nova itself would wait for ever.',
  },
  'gateway.spool': {
    kind: flag,
    default: false,
    flag: 'spool',
    doc: 'Whether an upload is written to this host’s disk first, and brought to Glance, again and again if need be, from there. Nova cannot send a snapshot twice.',
  },
  'gateway.spoolMaxBytes': {
    kind: size,
    default: 50 * 2 ** 30,
    flag: 'spool-size',
    doc: 'What uploads may take on disk while they are spooled. What does not fit is passed to Glance as it comes.',
  },
  'gateway.drainMs': {
    kind: duration,
    default: 30_000,
    flag: 'gateway-drain',
    doc: 'How long downloads and uploads under way may go on when the daemon is told to stop; then they are cut, and Nova does not repeat a download that broke off. TimeoutStopSec of the unit must be longer.',
  },
  'images.replicas': {
    kind: countOrNone,
    default: 0,
    flag: 'replicas',
    doc: 'How many nodes, of other zones where there are any, are asked to keep the chunks of what is shelved here: a host that dies then sends none of its instances back to the store.',
  },
  'images.heldMaxBytes': {
    kind: size,
    default: 20 * 2 ** 30,
    flag: 'held-size',
    doc: 'What this node keeps for others that ask it to (`images.replicas`, `quarry prefetch`): more is refused.',
  },
  'images.privateTtlMs': {
    kind: duration,
    default: 14 * 24 * 3_600_000,
    flag: 'private-ttl',
    doc: 'How long a project’s image is kept after it was last asked for here. What Glance deletes through this façade, or another one, is forgotten at once; this is for what was deleted elsewhere.',
  },
  'trust.publishers': {
    kind: textList,
    default: [],
    flag: 'trust',
    doc: 'Peer ids of publishers (usually the seeders) whose records are believed. An image by anybody else is accepted only if the whole of it has the hash that the origin, or the caller, names.',
  },
  'limits.uploadBytesPerSecond': {
    kind: rate,
    default: Infinity,
    flag: 'upload-rate',
    doc: 'What this node sends to other members at most: bytes of answers as they leave, encoded, over all connections together. Can be changed while it runs (`quarry limits`).',
  },
  'limits.downloadBytesPerSecond': {
    kind: rate,
    default: Infinity,
    flag: 'download-rate',
    doc: 'What this node receives from other members at most, counted and changed alike. What it reads from the origin is `limits.originBytesPerSecond`.',
  },
  'limits.originBytesPerSecond': {
    kind: rate,
    default: Infinity,
    flag: 'origin-rate',
    doc: 'What may leave the store for the whole cluster, read by nodes or sent by seeders. A hard limit, granted in leases; a node that reaches no grantor has rate ÷ members. Set it on every node alike; where they differ, the one that grants counts. A node that has just started waits 15 s for a share of its own.',
  },
  'limits.originReads': {
    kind: count,
    default: Infinity,
    flag: 'origin-reads',
    doc: 'Reads from the origin that the whole cluster may have under way at once. Hard and granted like the rate. With fewer reads than members, a node that reaches no grantor may have none.',
  },
  'limits.memoryBytes': {
    kind: size,
    default: 64 * 2 ** 20,
    flag: 'memory',
    doc: 'Memory for pieces under way: half of it for those that are received and read from the origin, half for those that are sent. When a half is full, others wait. At least one piece goes whatever its size. A piece takes its memory for as long as it is under way, so a seeder of many slow hosts may need more. Beside it connections have buffers of their own.',
  },
  'limits.giveUpMs': {
    kind: duration,
    default: 60_000,
    flag: 'give-up',
    doc: 'After how long without any progress a fetch fails, naming what nobody has.',
  },
  'seeder.drainMs': {
    kind: duration,
    default: 30_000,
    flag: 'drain',
    doc: 'A seeder that is told to stop goes when each chunk that living nodes still need is held by three of them; it waits for that so long at most. "0s": it goes at once. A second signal ends it at once, too. TimeoutStopSec of its systemd unit must be longer.',
  },
  'control.socket': {
    kind: text,
    default: '',
    defaultText: '"<data directory>/control.sock"',
    flag: 'socket',
    doc: 'Unix socket of the local control interface; only its owner may use it.',
  },
  'control.metricsListen': {
    kind: text,
    default: '',
    flag: 'metrics-listen',
    doc: 'host:port of an HTTP server that gives Prometheus metrics at /metrics. Empty: only on the control socket.',
  },
  'exports.socket': {
    kind: text,
    default: '',
    flag: 'export-socket',
    doc: 'Unix socket on which Nova’s plug-in (deploy/nova-plugin) asks for images as files. Empty: none. Every request is allowed by Glance, with the caller’s own token; at most 107 bytes long.',
  },
  'exports.directory': {
    kind: text,
    default: '',
    defaultText: '"<data directory>/exports"',
    flag: 'export-directory',
    doc: 'Where these files are made. On the file system of Nova’s `instances_path` they are taken by reflink or hard link, elsewhere by copy. Nothing stays: a file is removed when it is taken, after ten minutes, and when the daemon starts.',
  },
  'exports.group': {
    kind: text,
    default: '',
    flag: 'export-group',
    doc: 'Group that Nova runs as, by name or number: it may use the socket and take the files. The daemon’s user must be a member. Empty: only that user may.',
  },
  'log.level': {
    kind: choice('debug', 'info', 'warn', 'error'),
    default: 'info',
    flag: 'log-level',
    doc: 'The least severe lines to log.',
  },
  'log.format': {
    kind: choice('json', 'text'),
    default: 'json',
    flag: 'log-format',
    doc: 'One JSON object per line on standard error, or text for people.',
  },
  'log.pieces': {
    kind: text,
    default: '',
    flag: 'piece-log',
    doc: 'File to which a line of JSON is added for each piece that comes or goes: whence, and when it was asked for, came and was present (docs/piece-log.md). For measuring; it grows by some 350 bytes for each. Empty: none.',
  },
};

export const configKeys: readonly ConfigKey[] = Object.keys(settings) as ConfigKey[];

export function settingOf(key: ConfigKey): Setting<unknown> {
  return settings[key] as Setting<unknown>;
}
