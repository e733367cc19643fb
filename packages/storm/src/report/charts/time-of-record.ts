import type { StormRecord } from '../../storm-record.ts';
import { timeAxis } from '../drawing/time-axis.ts';
import type { TimeAxis } from '../drawing/time-axis.ts';
import { figure } from '../figures.ts';
import { ranOnes } from '../standing.ts';

/** The same for every chart of a record that has one: they can be laid side by side. */
export function timeAxisOf(record: StormRecord): TimeAxis {
  return timeAxis(
    ranOnes(record).map(({ unshelves, samples }) =>
      Math.max(samples.at(-1)?.seconds ?? 0, ...unshelves.map(({ endedSeconds }) => endedSeconds ?? 0)),
    ),
    record.boundSeconds,
  );
}

/** T* as the charts mark it; nothing where the storm has none. */
export function boundLine(record: StormRecord): {
  readonly bound?: { readonly seconds: number; readonly text: string };
} {
  const { boundSeconds } = record;
  if (!Number.isFinite(boundSeconds) || boundSeconds <= 0) return {};
  return { bound: { seconds: boundSeconds, text: `T* ${figure(boundSeconds)} s` } };
}
