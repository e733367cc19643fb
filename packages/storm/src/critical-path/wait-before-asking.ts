import type { LoadLine, RefusedLine } from '@quarry/daemon';
import type { NodeLog } from './node-log.ts';

/** What passed between the moment in which somebody had a piece and the one in which it was asked of him; milliseconds. */
export interface AskingWait {
  /** The receiver did not want it yet. */
  readonly notWanted: number;
  /** The sender had not said that it has it. */
  readonly untold: number;
  /** The receiver had asked somebody else for it. */
  readonly elsewhere: number;
  /** As many requests were under way as may be. */
  readonly windowFull: number;
  /** It could have been asked for: news were on their way, or other pieces came first. */
  readonly unasked: number;
}

export function waitBeforeAsking(
  log: NodeLog | undefined,
  times: {
    /** The sender has it. */
    readonly fromMs: number;
    /** The receiver's fetch began; undefined: nobody knows. */
    readonly beganMs: number | undefined;
    /** The sender said so; undefined: nobody knows. */
    readonly toldMs: number | undefined;
    readonly askedMs: number;
    /** For the same piece, of others. */
    readonly attempts: readonly RefusedLine[];
  },
): AskingWait {
  const { fromMs, askedMs, attempts } = times;
  const within = (ms: number | undefined): number => Math.min(askedMs, Math.max(fromMs, ms ?? fromMs));
  if (fromMs >= askedMs) return { notWanted: 0, untold: 0, elsewhere: 0, windowFull: 0, unasked: 0 };
  const wantedMs = within(times.beganMs);
  const knownMs = Math.max(wantedMs, within(times.toldMs));
  const { elsewhere, windowFull } = splitAsked(log, attempts, knownMs, askedMs);
  return {
    notWanted: wantedMs - fromMs,
    untold: knownMs - wantedMs,
    elsewhere,
    windowFull,
    unasked: askedMs - knownMs - elsewhere - windowFull,
  };
}

/** Walks through the moments in which a request began or ended. */
function splitAsked(
  log: NodeLog | undefined,
  attempts: readonly RefusedLine[],
  fromMs: number,
  toMs: number,
): { readonly elsewhere: number; readonly windowFull: number } {
  const requests = [
    ...(log?.pieces ?? []).filter(({ source }) => source === 'peer').map(({ asked, whole }) => [asked, whole] as const),
    ...(log?.refused ?? []).filter(({ source }) => source === 'peer').map(({ asked, at }) => [asked, at] as const),
  ].filter(([beganMs, endedMs]) => beganMs < toMs && endedMs > fromMs);
  const edges = [fromMs, toMs, ...requests.flat(), ...attempts.flatMap(({ asked, at }) => [asked, at])]
    .filter((ms) => ms >= fromMs && ms <= toMs)
    .sort((a, b) => a - b);
  let [elsewhere, windowFull] = [0, 0];
  for (const [i, edgeMs] of edges.entries()) {
    const nextMs = edges[i + 1];
    if (nextMs === undefined || nextMs <= edgeMs) continue;
    const isIn = (beganMs: number, endedMs: number): boolean => beganMs <= edgeMs && endedMs >= nextMs;
    if (attempts.some(({ asked, at }) => isIn(asked, at))) elsewhere += nextMs - edgeMs;
    else {
      const underWay = requests.filter(([beganMs, endedMs]) => isIn(beganMs, endedMs)).length;
      if (underWay >= windowAt(log?.loads ?? [], edgeMs)) windowFull += nextMs - edgeMs;
    }
  }
  return { elsewhere, windowFull };
}

/** As the last sample before says, or the first after. */
function windowAt(loads: readonly LoadLine[], atMs: number): number {
  return (loads.findLast(({ at }) => at <= atMs) ?? loads[0])?.window ?? Infinity;
}
