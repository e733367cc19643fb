import type { ContestantRecord, StormRecord, StormSummary } from '../storm-record.ts';

/** What `--json` prints: the figures, without curves and without what single hosts did. */
export function summaryOf(record: StormRecord): StormSummary & Omit<StormRecord, 'contestants'> {
  const { contestants, ...facts } = record;
  return { ...facts, contestants: contestants.map(figuresOf) };
}

function figuresOf(contestant: ContestantRecord): StormSummary['contestants'][number] {
  const {
    about: _about,
    unshelves,
    samples: _samples,
    hosts: _hosts,
    criticalPath: _path,
    notes: _notes,
    ...figures
  } = contestant;
  const failures = unshelves.flatMap(({ host, failure, isExpected }) =>
    failure === undefined ? [] : [{ host, failure, isExpected }],
  );
  return { ...figures, ...(failures.length > 0 && { failures: failures.slice(0, 20) }) };
}
