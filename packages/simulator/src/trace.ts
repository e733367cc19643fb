import type { Storm } from '@quarry/scenario';

/** What a span or a mark is about; each has its own lanes in the viewer, in this order. */
export const traceKinds = ['unshelve', 'receive', 'originRead', 'send', 'fault', 'decision'] as const;
export type TraceKind = (typeof traceKinds)[number];

/** Shown when a span or mark is clicked: from, to, bytes, source, reason. Keys are written in the order given. */
export type TraceFacts = Readonly<Record<string, string | number | boolean>>;

/**
 * Where a simulation tells what happens. Times are virtual milliseconds and never go backwards. A place is a process in the viewer: `tracePlaces`.
 * A span that nobody ends was cut off by the end of the run; the writer ends it and says so.
 */
export interface TraceSink {
  /** Something that takes time: an unshelve, a piece on its way, a read of the origin, a fault with an end. Returns what `end` takes. */
  begin(atMs: number, place: number, kind: TraceKind, name: string, facts?: TraceFacts): number;
  /** Facts are added to those of `begin`. Ending a span twice does nothing. */
  end(atMs: number, span: number, facts?: TraceFacts): void;
  /** Something that takes none: a hedge, a ban, a re-give, a kill, who became leader. */
  mark(atMs: number, place: number, kind: TraceKind, name: string, facts?: TraceFacts): void;
}

/** The processes of a trace: hosts by their number, then seeders, then the store, then the storm itself (partitions, failing origins). */
export interface TracePlaces {
  readonly names: readonly string[];
  readonly seeder: (index: number) => number;
  readonly store: number;
  readonly storm: number;
}

export function tracePlaces(storm: Storm): TracePlaces {
  const { hosts, origin, zones } = storm;
  const hostNames = hosts.map((host) =>
    zones.length > 1 ? `${host.name} (${zones[host.zone]?.name ?? host.zone})` : host.name,
  );
  const seederNames = Array.from({ length: origin.seeders }, (_, index) => `seeder ${index}`);
  const store = hosts.length + origin.seeders;
  return {
    names: [...hostNames, ...seederNames, 'store', `storm ${storm.name}`],
    seeder: (index) => hosts.length + index,
    store,
    storm: store + 1,
  };
}
