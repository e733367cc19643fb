import type { ContestantRecord, StormRecord } from '../storm-record.ts';

/** Those that ran, in the record's order. */
export function ranOnes(record: StormRecord): readonly ContestantRecord[] {
  return record.contestants.filter(({ ran }) => ran);
}

/** Whether it did all that it had to. */
export function isWhole({ finished, expectedToFinish }: ContestantRecord): boolean {
  return expectedToFinish > 0 && finished >= expectedToFinish;
}

/** Those that brought everything to its end without a wrong byte, the quickest first: only they can win. */
export function ranked(record: StormRecord): readonly ContestantRecord[] {
  return ranOnes(record)
    .filter(
      (contestant) => isWhole(contestant) && contestant.wrongBytes === 0 && Number.isFinite(contestant.makespanSeconds),
    )
    .toSorted((a, b) => a.makespanSeconds - b.makespanSeconds);
}

/** Below this part of the machine left idle its processors, and not the network, may have set the pace. */
export const IDLE_LIMIT_PERCENT = 15;

export function wasMachineTheLimit({ cpuIdlePercent }: ContestantRecord): boolean {
  return cpuIdlePercent < IDLE_LIMIT_PERCENT;
}

/** Arrivals spread over more than this: how long each unshelf took is a figure of its own then. */
const STAGGERED_SECONDS = 1;

export function isStaggered(record: StormRecord): boolean {
  const starts = ranOnes(record).flatMap(({ unshelves }) => unshelves.map(({ atSeconds }) => atSeconds));
  return starts.length > 0 && Math.max(...starts) - Math.min(...starts) > STAGGERED_SECONDS;
}
