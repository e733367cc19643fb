import { traceKinds } from './trace.ts';
import type { TraceFacts, TraceKind, TraceSink } from './trace.ts';

/** A sink that somebody has to close: what was still open is ended then, and the array's bracket written. */
export interface TraceWriter extends TraceSink {
  close(atMs?: number): void;
}

interface Span {
  readonly beginNs: number;
  readonly place: number;
  readonly lane: number;
  readonly kind: TraceKind;
  readonly name: string;
  readonly facts: TraceFacts | undefined;
}

/** In the file's own order of traceKinds; leaves room for the lanes of each kind. */
const SORT_STEP = 10_000;

/**
 * Writes Chrome's Trace Event Format, which chrome://tracing and ui.perfetto.dev open: a JSON array of complete events ("X"), instants ("i") and names ("M");
 * `ts` and `dur` are microseconds. Events of one thread must not overlap there, or the viewers draw nonsense. So each kind of span has as many threads
 * ("lanes") per place as it has spans at once, and a span takes the first that is free. Threads are numbered through the whole file: Perfetto would
 * take equal numbers for one thread now and then, and one equal to its process for the main thread.
 *
 * Complete events are written when they end: the file is sorted by end. The viewers sort for themselves. The same calls give the same bytes.
 */
export function createTraceWriter(places: readonly string[], write: (text: string) => void): TraceWriter {
  const threads = new Map<string, number>();
  const lanes = new Map<string, boolean[]>();
  const open = new Map<number, Span>();
  let nextThread = places.length + 1;
  let nextSpan = 1;
  let lastNs = 0;
  let isFirst = true;
  let isClosed = false;

  const put = (event: Readonly<Record<string, unknown>>): void => {
    write(`${isFirst ? '[\n' : ',\n'}${JSON.stringify(event)}`);
    isFirst = false;
  };
  const nsOf = (atMs: number): number => {
    const ns = Math.round(atMs * 1e6);
    lastNs = Math.max(lastNs, ns);
    return ns;
  };
  const threadOf = (place: number, kind: TraceKind, lane: number): number => {
    const key = `${place} ${kind} ${lane}`;
    const known = threads.get(key);
    if (known !== undefined) return known;
    const tid = nextThread++;
    threads.set(key, tid);
    const pid = place + 1;
    put({ name: 'thread_name', ph: 'M', pid, tid, args: { name: lane === 0 ? kind : `${kind} ${lane + 1}` } });
    const sort_index = traceKinds.indexOf(kind) * SORT_STEP + lane;
    put({ name: 'thread_sort_index', ph: 'M', pid, tid, args: { sort_index } });
    return tid;
  };
  const takeLane = (place: number, kind: TraceKind): number => {
    const key = `${place} ${kind}`;
    let taken = lanes.get(key);
    if (!taken) lanes.set(key, (taken = []));
    const free = taken.indexOf(false);
    const lane = free === -1 ? taken.length : free;
    taken[lane] = true;
    return lane;
  };
  const end = (endNs: number, id: number, facts: TraceFacts | undefined): void => {
    const span = open.get(id);
    if (span === undefined) return;
    open.delete(id);
    const { place, lane, kind, name, beginNs } = span;
    const taken = lanes.get(`${place} ${kind}`);
    if (taken) taken[lane] = false;
    const tid = threadOf(place, kind, lane);
    const ts = beginNs / 1000;
    const dur = (endNs - beginNs) / 1000;
    put({ name, cat: kind, ph: 'X', ts, dur, pid: place + 1, tid, args: { ...span.facts, ...facts } });
  };

  for (const [place, name] of places.entries()) {
    put({ name: 'process_name', ph: 'M', pid: place + 1, tid: 0, args: { name } });
    put({ name: 'process_sort_index', ph: 'M', pid: place + 1, tid: 0, args: { sort_index: place } });
  }
  return {
    begin(atMs, place, kind, name, facts) {
      const id = nextSpan++;
      open.set(id, { beginNs: nsOf(atMs), place, lane: takeLane(place, kind), kind, name, facts });
      return id;
    },
    end: (atMs, span, facts) => end(nsOf(atMs), span, facts),
    mark(atMs, place, kind, name, facts) {
      const tid = threadOf(place, kind, 0);
      const ts = nsOf(atMs) / 1000;
      put({ name, cat: kind, ph: 'i', s: 't', ts, pid: place + 1, tid, args: { ...facts } });
    },
    close(atMs) {
      if (isClosed) return;
      isClosed = true;
      const endNs = atMs === undefined ? lastNs : nsOf(atMs);
      for (const id of open.keys()) end(endNs, id, { isCutOff: true });
      write(isFirst ? '[]\n' : '\n]\n');
    },
  };
}
