import type { ContestantRecord, StormRecord } from '../storm-record.ts';
import { count, deviation, figure, percentage, size } from './figures.ts';
import { isStaggered, isWhole, ranked, ranOnes, wasMachineTheLimit } from './standing.ts';

export interface Headline {
  /** Who won and by what factor. */
  readonly first: string;
  /** Egress, wrong bytes, who did not finish, whether the machine was the limit: a sentence each. */
  readonly further: readonly { readonly text: string; readonly isAlarm: boolean }[];
}

/** The result in words, before any figure. */
export function headline(record: StormRecord): Headline {
  const ran = ranOnes(record);
  if (ran.length === 0) return { first: 'No contestant ran: there is nothing to compare.', further: [] };
  return {
    first: winnerText(record),
    further: [
      ...latenessText(record),
      ...egressText(record),
      ...wrongText(ran),
      ...unfinishedText(ran),
      ...simulatorText(record),
      ...machineText(ran),
    ],
  };
}

function winnerText(record: StormRecord): string {
  const [winner, ...others] = ranked(record);
  if (winner === undefined) return 'Nobody brought every unshelf to its end with the right bytes.';
  const bound = hasBound(record) ? `, ${figure(winner.ratio)} × the bound T* of ${figure(record.boundSeconds)} s` : '';
  const done = `${winner.name} finished all ${count(winner.finished)} unshelves in ${figure(winner.makespanSeconds)} s${bound}`;
  const second = others[0];
  const last = others.at(-1);
  if (second === undefined || last === undefined)
    return ranOnes(record).length === 1 ? `${done}.` : `${done}; nobody else did.`;
  const farthest = last === second ? '' : ` and ${faster(winner, last)}`;
  return `${done}: ${faster(winner, second)}${farthest}.`;
}

function faster(winner: ContestantRecord, other: ContestantRecord): string {
  return `${figure(other.makespanSeconds / winner.makespanSeconds)} times as fast as ${other.name}`;
}

/** Where unshelves start one after the other it is their durations that people wait for, and not when the last one ends. */
function latenessText(record: StormRecord): Headline['further'] {
  const [winner, ...others] = ranked(record);
  if (winner === undefined || !isStaggered(record)) return [];
  const slowest = others.toSorted((a, b) => b.p99Seconds - a.p99Seconds)[0];
  const own = `99 % of ${winner.name}’s unshelves took at most ${figure(winner.p99Seconds)} s`;
  if (slowest === undefined) return [{ text: `${own}.`, isAlarm: false }];
  const times = figure(slowest.p99Seconds / winner.p99Seconds);
  return [
    { text: `${own}; with ${slowest.name} ${figure(slowest.p99Seconds)} s, ${times} times as long.`, isAlarm: false },
  ];
}

function simulatorText(record: StormRecord): Headline['further'] {
  const quarry = ranked(record).find(({ name }) => name === 'quarry');
  if (record.simulated === undefined || quarry === undefined) return [];
  const { makespanSeconds } = record.simulated;
  const off = deviation(makespanSeconds, quarry.makespanSeconds);
  return [
    {
      text: `The simulator says ${figure(makespanSeconds)} s for quarry: ${off} against what was measured.`,
      isAlarm: false,
    },
  ];
}

function egressText(record: StormRecord): Headline['further'] {
  const [winner] = ranked(record);
  if (winner === undefined) return [];
  const most = ranOnes(record).toSorted((a, b) => b.originBytes - a.originBytes)[0];
  const own = `${winner.name} took ${size(winner.originBytes)} from the origin, ${figure(winner.originAmplification)} × what had to leave it`;
  const times = most === undefined || most === winner ? 0 : most.originBytes / winner.originBytes;
  if (!(times > 1) || most === undefined) return [{ text: `${own}.`, isAlarm: false }];
  const less = Number.isFinite(times)
    ? `${figure(times)} × less than ${most.name}`
    : `${most.name} ${size(most.originBytes)}`;
  return [{ text: `${own}; ${less}.`, isAlarm: false }];
}

function wrongText(ran: readonly ContestantRecord[]): Headline['further'] {
  // Where nothing was delivered nothing was compared.
  if (ran.every(({ finished }) => finished === 0)) return [];
  const wrong = ran.filter(({ wrongBytes }) => wrongBytes !== 0);
  if (wrong.length === 0) return [{ text: 'Wrong bytes: none, with anyone.', isAlarm: false }];
  const each = wrong.map(({ name, wrongBytes }) => `${name} ${count(wrongBytes)}`);
  return [{ text: `Wrong bytes: ${each.join(', ')}.`, isAlarm: true }];
}

function unfinishedText(ran: readonly ContestantRecord[]): Headline['further'] {
  const unfinished = ran.filter((contestant) => !isWhole(contestant));
  if (unfinished.length === 0) return [];
  const each = unfinished.map(({ name, finished, expectedToFinish }) => `${name} ${finished} of ${expectedToFinish}`);
  return [{ text: `Not all finished: ${each.join(', ')}.`, isAlarm: true }];
}

function machineText(ran: readonly ContestantRecord[]): Headline['further'] {
  const limited = ran.filter(wasMachineTheLimit);
  if (limited.length === 0) return [];
  const each = limited.map(({ name, cpuIdlePercent }) => `${name} (${percentage(cpuIdlePercent)} % idle)`);
  return [{ text: `The machine was the limit for ${each.join(', ')}.`, isAlarm: true }];
}

export function hasBound({ boundSeconds }: StormRecord): boolean {
  return Number.isFinite(boundSeconds) && boundSeconds > 0;
}
