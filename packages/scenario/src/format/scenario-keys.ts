import type * as s from './scenario.ts';
import { choice, flag, hostShare, imageCount, integer, lateSpan, linkRate, percent, positive } from './value-kind.ts';
import { rate, size, span, text } from './value-kind.ts';
import type { ValueKind } from './value-kind.ts';

export interface Key<T> {
  readonly kind: ValueKind<T>;
  /** As it would be written in a file. A key with neither this nor `absent` must be given. */
  readonly default?: string | number | boolean;
  /** What its absence means. */
  readonly absent?: string;
  readonly doc: string;
}

/** The keys of one table: a key for each property, so that neither can be forgotten. */
export type Keys<T> = { readonly [Name in keyof T]-?: Key<NonNullable<T[Name]>> };

export const topKeys: Keys<s.ScenarioTop> = {
  about: { kind: text, doc: 'One sentence: what happens.' },
  limit: {
    kind: lateSpan,
    absent: '20 T*, at least 60 s, after the last arrival or fault',
    doc: 'After so long a storm that is not over counts as hung.',
  },
};

const hosts: Keys<s.HostsTable> = {
  count: { kind: integer(1, 100_000), doc: 'How many hosts. `--nodes` wins.' },
  link: { kind: linkRate, default: '1Gbit/s', doc: 'The node link, each direction.' },
  diskWrite: {
    kind: rate,
    default: 'unlimited',
    doc: 'What a host’s disk takes. Follows another node link only as "…x".',
  },
};

const groups: Keys<s.GroupTable> = {
  hosts: { kind: hostShare, doc: 'Which part of the hosts; drawn at random, none into two groups.' },
  link: { kind: rate, doc: 'Their link, each direction.' },
};

const zones: Keys<s.ZonesTable> = {
  hostsPerZone: {
    kind: integer(1, 100_000),
    doc: 'Hosts fill one zone after the other; the last may be smaller. Their number follows from that of the hosts.',
  },
  oversubscription: {
    kind: positive,
    default: 1,
    doc: 'A zone’s uplink, each direction, is hostsPerZone × node link ÷ this.',
  },
};

const origin: Keys<s.OriginTable> = {
  rate: { kind: rate, default: '1x', doc: 'The store’s link: what seeders send and what nodes read from Glance.' },
  seeders: {
    kind: integer(0, 16),
    default: 1,
    doc: 'Daemons next to the store; they hold every image from the start.',
  },
  isReadable: { kind: flag, default: false, doc: 'Whether nodes can read images from Glance themselves.' },
  readDelay: { kind: span, default: '18ms', doc: 'What one ranged read costs Glance before its first byte.' },
  budget: {
    kind: rate,
    default: 'unlimited',
    doc: 'What may leave the store at most, sent by seeders or read from Glance by all nodes together. Follows another node link only as "…x".',
  },
  budgetReads: { kind: integer(1, 100_000), absent: 'no limit', doc: 'How many reads of Glance at once.' },
};

const control: Keys<s.ControlTable> = {
  hop: {
    kind: span,
    default: '1.1ms',
    doc: 'One way of a message between two hosts, with all that JavaScript does to it.',
  },
  verify: { kind: span, default: '1.1ms', doc: 'From a piece’s last byte until it counts.' },
  jitter: { kind: span, default: '0ms', doc: 'Each message takes up to so much longer, each on its own.' },
  gossipLoss: { kind: percent, default: '0%', doc: 'Part of the gossiped messages that get lost.' },
};

const images: Keys<s.ImagesTable> = {
  name: { kind: text, doc: 'What the other tables call this set.' },
  count: { kind: imageCount, default: 1, doc: 'How many images; "perHost": the first for the first host, and so on.' },
  size: { kind: size, doc: 'Size of each.' },
  maxSize: {
    kind: size,
    absent: 'all have `size`',
    doc: 'Sizes are drawn from `size` to this, each doubling as likely as the next.',
  },
  base: {
    kind: text,
    absent: 'nothing is shared',
    doc: 'An earlier set: each image shares the beginning of one of its images, drawn at random.',
  },
  common: {
    kind: percent,
    absent: 'must stand with `base`, and only there',
    doc: 'How much of the image is its base’s, in whole pieces, at most the whole base. The rest lies in packs of its own.',
  },
};

const wave = (what: string): Keys<s.UnshelvesTable> => ({
  images: { kind: text, doc: `Which set is ${what}.` },
  choose: {
    kind: choice('first', 'own', 'each', 'uniform', 'zipf'),
    default: 'first',
    doc: '"first": always the set’s first image; "own": each host the one of its own number; "each": one after the other; "uniform": any; "zipf": the n-th with weight 1 / n^exponent.',
  },
  exponent: { kind: positive, default: 1, doc: 'Of "zipf".' },
  count: {
    kind: integer(1, 1_000_000),
    absent: 'one for each host',
    doc: 'How many. They are dealt out to the hosts in turn, in a new random order each round.',
  },
  at: { kind: span, default: '0s', doc: 'When they begin to come.' },
  over: { kind: span, default: '0s', doc: 'The span that they come in. 0: all at once.' },
  arrival: {
    kind: choice('uniform', 'poisson'),
    default: 'uniform',
    doc: '"uniform": each at any moment of the span; "poisson": with gaps that are exponential and `over` ÷ number on average.',
  },
});

const cached: Keys<s.CachedTable> = {
  images: { kind: text, doc: 'Which set.' },
  part: {
    kind: choice('all', 'common', 'own'),
    default: 'all',
    doc: 'All of each image, what it has from its base, or the rest.',
  },
  where: {
    kind: choice('everywhere', 'elsewhere', 'scattered'),
    doc: '"everywhere": on each host; "elsewhere": each image whole on `copies` random hosts that do not unshelve it; "scattered": each piece on `copies` random hosts.',
  },
  copies: { kind: integer(1, 1000), default: 1, doc: 'See `where`.' },
};

/** The tables that stand once, and those of which there can be many. Order here is order in the docs. */
export const tables = {
  hosts: { keys: hosts, isList: false, isRequired: true, doc: 'The hosts and their links.' },
  groups: { keys: groups, isList: true, isRequired: false, doc: 'Hosts with another link than the rest.' },
  zones: { keys: zones, isList: false, isRequired: false, doc: 'Racks. Absent: one zone for all.' },
  origin: { keys: origin, isList: false, isRequired: false, doc: 'The store; it lies outside of every zone.' },
  control: { keys: control, isList: false, isRequired: false, doc: 'What messages and checks cost.' },
  images: { keys: images, isList: true, isRequired: true, doc: 'Sets of images.' },
  unshelves: { keys: wave('unshelved'), isList: true, isRequired: true, doc: 'Who wants what, when.' },
  shelves: {
    keys: wave('shelved'),
    isList: true,
    isRequired: false,
    doc: 'Who shelves meanwhile: from then on that host holds all of the image.',
  },
  cached: { keys: cached, isList: true, isRequired: false, doc: 'What hosts hold before it begins.' },
} satisfies Record<string, TableKeys> as Tables;

export interface TableKeys<T = Record<string, unknown>> {
  readonly keys: Keys<T>;
  readonly isList: boolean;
  readonly isRequired: boolean;
  readonly doc: string;
}

interface Tables {
  readonly hosts: TableKeys<s.HostsTable>;
  readonly groups: TableKeys<s.GroupTable>;
  readonly zones: TableKeys<s.ZonesTable>;
  readonly origin: TableKeys<s.OriginTable>;
  readonly control: TableKeys<s.ControlTable>;
  readonly images: TableKeys<s.ImagesTable>;
  readonly unshelves: TableKeys<s.UnshelvesTable>;
  readonly shelves: TableKeys<s.ShelvesTable>;
  readonly cached: TableKeys<s.CachedTable>;
}
