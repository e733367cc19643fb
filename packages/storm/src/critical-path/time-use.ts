import type { PieceLine, RefusedLine } from '@quarry/daemon';
import type { FetchSpan } from './logged-storm.ts';
import type { NodeLog } from './node-log.ts';

/** What a host's time went into while it fetched; every moment is counted once. */
export const timeUses = [
  /** Until the first piece was asked for: the image is looked up, peers are met. */
  'finding',
  /** What the bytes that came take on the host's link: nobody can do without it. */
  'link',
  /** Something came, more slowly than the link is: of such a moment the part that the link stood idle. */
  'slow',
  /** Peers were asked, and nothing came. */
  'firstBytes',
  /** Nobody but a seeder was asked, and nothing came. */
  'seeder',
  /** The origin's budget, or memory. */
  'budget',
  /** The origin was read, and nothing came. */
  'origin',
  /** Nothing was under way, but pieces were being written. */
  'writing',
  /** Nothing was under way, and nobody known had what was missing. */
  'nobodyHas',
  /** Nothing was under way. */
  'idle',
  /** All was present: what remains is for whoever asked to take it. */
  'handingOut',
] as const;

export type TimeUse = (typeof timeUses)[number];

/** Milliseconds; the sum is the span. */
export type TimeSpent = Readonly<Record<TimeUse, number>>;

type Wait = 'peer' | 'ask' | 'budget' | 'originRead' | 'write';

interface Change {
  readonly atMs: number;
  readonly wait: Wait | undefined;
  /** Bytes a millisecond. */
  readonly rate: number;
  readonly step: 1 | -1;
}

export function timeSpent(log: NodeLog, span: FetchSpan, linkBytesPerSecond: number): TimeSpent {
  const spent: Record<TimeUse, number> = {
    finding: 0,
    link: 0,
    slow: 0,
    firstBytes: 0,
    seeder: 0,
    budget: 0,
    origin: 0,
    writing: 0,
    nobodyHas: 0,
    idle: 0,
    handingOut: 0,
  };
  const link = linkBytesPerSecond / 1000;
  const changes = changesOf(log, link);
  const asked = [...log.pieces, ...log.refused].map((one) => one.asked).filter((ms) => ms >= span.beganMs);
  const firstAskedMs = Math.min(...asked, span.endedMs);
  const lastPresentMs = log.pieces.findLast(({ present }) => present <= span.endedMs)?.present ?? span.endedMs;
  const waits: Record<Wait, number> = { peer: 0, ask: 0, budget: 0, originRead: 0, write: 0 };
  const unmetAt = createUnmet(log);
  let transfers = 0;
  let rate = 0;
  let atMs = span.beganMs;
  const passTo = (untilMs: number): void => {
    const ms = Math.min(untilMs, span.endedMs) - atMs;
    if (ms <= 0) return;
    const use = useOf({ atMs, firstAskedMs, lastPresentMs, transfers, waits, isUnmet: unmetAt(atMs) });
    const ownMs = transfers > 0 ? Math.min(1, rate / link) * ms : 0;
    spent.link += ownMs;
    spent[use] += ms - ownMs;
    atMs += ms;
  };
  const edges = [firstAskedMs, Math.max(firstAskedMs, lastPresentMs)].map(
    (edgeMs): Change => ({ atMs: edgeMs, wait: undefined, rate: 0, step: 1 }),
  );
  for (const change of [...changes, ...edges].sort((a, b) => a.atMs - b.atMs)) {
    passTo(change.atMs);
    if (change.wait) waits[change.wait] += change.step;
    else if (change.rate > 0) {
      transfers += change.step;
      rate += change.step * change.rate;
    }
  }
  passTo(span.endedMs);
  return spent;
}

function useOf(now: {
  readonly atMs: number;
  readonly firstAskedMs: number;
  readonly lastPresentMs: number;
  readonly transfers: number;
  readonly waits: Readonly<Record<Wait, number>>;
  readonly isUnmet: boolean;
}): TimeUse {
  const { waits } = now;
  if (now.transfers > 0) return 'slow';
  if (now.atMs < now.firstAskedMs) return 'finding';
  if (waits.peer > 0) return 'firstBytes';
  if (waits.budget > 0) return 'budget';
  if (waits.originRead > 0) return 'origin';
  if (now.atMs >= now.lastPresentMs) return 'handingOut';
  if (waits.ask > 0) return 'seeder';
  if (waits.write > 0) return 'writing';
  return now.isUnmet ? 'nobodyHas' : 'idle';
}

/** When a piece's bytes came. What was read from the system's buffers in no time had crossed the link before, no faster than the link is. */
export function arrivalOf(
  piece: PieceLine,
  linkBytesPerSecond: number,
): { readonly fromMs: number; readonly toMs: number } {
  const { asked, first = asked, whole, wire } = piece;
  return { fromMs: Math.max(asked, Math.min(first, whole - (1000 * wire) / linkBytesPerSecond)), toMs: whole };
}

function changesOf(log: NodeLog, link: number): Change[] {
  const changes: Change[] = [];
  const add = (fromMs: number, toMs: number, wait: Wait | undefined, bytes = 0): void => {
    if (toMs <= fromMs) return;
    const rate = bytes / (toMs - fromMs);
    changes.push({ atMs: fromMs, wait, rate, step: 1 }, { atMs: toMs, wait, rate, step: -1 });
  };
  for (const piece of log.pieces) {
    const { asked, whole, present, source, wire, waited = 0 } = piece;
    const { fromMs, toMs } = arrivalOf(piece, link * 1000);
    add(asked, asked + waited, 'budget');
    add(asked + waited, fromMs, waitFor(source));
    add(fromMs, toMs, undefined, wire);
    add(whole, present, 'write');
  }
  for (const { asked, at, source, bytes = 0 } of log.refused) {
    const fromMs = Math.max(asked, at - bytes / link);
    add(asked, fromMs, waitFor(source));
    add(fromMs, at, undefined, bytes);
  }
  return changes;
}

function waitFor(source: RefusedLine['source']): Wait {
  return source === 'seeder' ? 'ask' : source === 'origin' ? 'originRead' : 'peer';
}

/** Whether pieces were missing that nobody known had, as the last sample before says. To be asked in the order of time. */
function createUnmet({ loads }: NodeLog): (atMs: number) => boolean {
  let next = 0;
  let isUnmet = false;
  return (atMs) => {
    for (let load = loads[next]; load && load.at <= atMs; load = loads[next]) {
      isUnmet = load.unmet > 0;
      next += 1;
    }
    return isUnmet;
  };
}
