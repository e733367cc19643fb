import { chainTo } from './chain.ts';
import type { Hop, Phase } from './chain.ts';
import { hopText, phaseText } from './hop-in-words.ts';
import { durationText, momentText } from './in-words.ts';
import { lastFetchOf } from './logged-storm.ts';
import type { FetchSpan, LoggedMember, LoggedStorm } from './logged-storm.ts';
import { timeTexts } from './time-in-words.ts';

/** Hops that are told in full. */
const MAX_TOLD_HOPS = 8;

/**
 * Why a host was as late as it was, in words, a line each: what its last piece waited for, from its arrival back to who had it first, and what the time of its
 * fetch went into beside the median host's. `span` is the fetch that is asked about; default: the host's last.
 */
export function criticalPath(
  storm: LoggedStorm,
  host: LoggedMember,
  span: FetchSpan | undefined = lastFetchOf(host),
): readonly string[] {
  if (!host.log) return [`${host.name}: why it was as late as it was nobody can tell: there is no log.`];
  if (!span) return [`${host.name}: its log tells of no fetch that ended.`];
  const hops = chainTo(storm, host, span);
  const told = hops.slice(0, MAX_TOLD_HOPS).map((hop, i) => hopText(storm, hop, i === 0));
  const rest = hops.length - told.length;
  return [
    headline(storm, host, span, hops),
    ...(hops.length === 0
      ? ['No piece came to it: all was there, or Glance’s bytes were passed on as they were.']
      : []),
    ...told,
    ...(rest > 0 ? [`And so on: it was passed on ${rest} times before.`] : []),
    ...timeTexts(storm, host, span),
    ...lostText(storm),
  ];
}

function headline(storm: LoggedStorm, host: LoggedMember, { endedMs }: FetchSpan, hops: readonly Hop[]): string {
  const lateMs = endedMs - storm.startMs - storm.boundSeconds * 1000;
  const late =
    lateMs > 0
      ? `${durationText(lateMs)} later than the bound (${storm.boundSeconds.toFixed(2)} s)`
      : `within the bound (${storm.boundSeconds.toFixed(2)} s)`;
  return `${host.name} had its image at ${momentText(endedMs, storm.startMs)}, ${late}${longestText(storm, endedMs, hops)}.`;
}

/** Shorter waits explain nothing. */
const SHORT_MS = 50;

function longestText(storm: LoggedStorm, endedMs: number, hops: readonly Hop[]): string {
  const worst = worstPhase(hops);
  const lastMs = endedMs - (hops[0]?.piece.present ?? endedMs);
  if (lastMs > SHORT_MS && lastMs > (worst?.weight ?? 0))
    return `; ${durationText(lastMs)} of it after its last piece had come`;
  if (!worst || worst.weight < SHORT_MS) return '';
  return `; longest on the way of its last piece: ${phaseText(storm, worst.hop, worst.phase)}`;
}

/** What is a link's ordinary turn explains lateness least: somebody's bytes were coming meanwhile. */
const ORDINARY = 0.25;

interface WeighedPhase {
  readonly hop: Hop;
  readonly phase: Phase;
  /** Milliseconds. */
  readonly weight: number;
}

function worstPhase(hops: readonly Hop[]): WeighedPhase | undefined {
  let worst: WeighedPhase | undefined;
  for (const hop of hops) {
    for (const phase of hop.phases) {
      const isOrdinary =
        phase.kind === 'windowFull' ||
        phase.kind === 'notWanted' ||
        (phase.kind === 'turn' && hop.sender?.role === 'seeder');
      const weight = (phase.ms - phase.idealMs) * (isOrdinary ? ORDINARY : 1);
      if (weight > (worst?.weight ?? 0)) worst = { hop, phase, weight };
    }
  }
  return worst;
}

function lostText({ members }: LoggedStorm): string[] {
  const missing = members.filter(({ log }) => !log).map(({ name }) => name);
  const lost = members.reduce((sum, { log }) => sum + (log?.lostLines ?? 0), 0);
  return [
    ...(missing.length > 0 ? [`There are no logs of ${missing.join(', ')}.`] : []),
    ...(lost > 0 ? [`${lost} lines of the logs are lost.`] : []),
  ];
}
