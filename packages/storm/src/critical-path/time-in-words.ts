import { durationText, percentText } from './in-words.ts';
import { lastFetchOf, linkOf } from './logged-storm.ts';
import type { FetchSpan, LoggedMember, LoggedStorm } from './logged-storm.ts';
import { timeSpent, timeUses } from './time-use.ts';
import type { TimeSpent, TimeUse } from './time-use.ts';

const useTexts: Readonly<Record<TimeUse, string>> = {
  finding: 'before the first piece was asked for',
  link: 'for the bytes at the speed of its link',
  slow: 'with bytes coming more slowly than that',
  firstBytes: 'with peers asked and nothing coming',
  seeder: 'with only the seeder to ask and nothing coming',
  budget: 'for the origin’s budget and for memory',
  origin: 'for the origin’s first bytes',
  writing: 'with nothing but writing to do',
  nobodyHas: 'with nothing under way because nobody known had what was missing',
  idle: 'with nothing under way',
  handingOut: 'handing out after the last piece',
};

/** Who took at most so many times the median was nothing special. */
const ALIKE = 1.1;

/** Two lines: what the host's time went into, and the same of the median host. */
export function timeTexts(storm: LoggedStorm, host: LoggedMember, span: FetchSpan): string[] {
  if (!host.log) return [];
  const spent = timeSpent(host.log, span, linkOf(storm, host));
  const totalMs = span.endedMs - span.beganMs;
  const own = `Of the ${durationText(totalMs)} of its fetch: ${partsText((use) => spent[use] / totalMs)}.`;
  const all = storm.members.flatMap((member) => {
    const fetch = member.role === 'node' ? lastFetchOf(member) : undefined;
    return member.log && fetch ? [timeSpent(member.log, fetch, linkOf(storm, member))] : [];
  });
  if (all.length < 2) return [own];
  const medianMs = median(all.map(sumOf));
  const usualMs = (use: TimeUse): number => median(all.map((one) => one[use]));
  const usual = partsText((use) => median(all.map((one) => one[use] / sumOf(one))));
  const isAlike = totalMs <= medianMs * ALIKE;
  const verdict = isAlike ? 'This host was hardly slower' : excessText(spent, usualMs);
  return [own, `The median of ${all.length} hosts took ${durationText(medianMs)}: ${usual}. ${verdict}.`];
}

/** Where the host spent most beyond what is usual. */
function excessText(spent: TimeSpent, usualMs: (use: TimeUse) => number): string {
  const excess = timeUses.map((use) => ({ use, ms: spent[use] - usualMs(use) })).sort((a, b) => b.ms - a.ms);
  const [most] = excess;
  return most ? `This host had ${durationText(most.ms)} more ${useTexts[most.use]}` : '';
}

function partsText(part: (use: TimeUse) => number): string {
  const parts = timeUses
    .map((use) => ({ use, part: part(use) }))
    .filter((one) => one.part >= 0.01)
    .sort((a, b) => b.part - a.part);
  return parts.map((one) => `${percentText(one.part)} ${useTexts[one.use]}`).join('; ');
}

function sumOf(spent: TimeSpent): number {
  return timeUses.reduce((sum, one) => sum + spent[one], 0);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
