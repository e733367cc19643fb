import type { StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { isStaggered, ranOnes } from '../standing.ts';
import { completionChart } from './completion-chart.ts';
import { durationChart } from './duration-chart.ts';
import { egressChart } from './egress-chart.ts';
import { hostCharts } from './host-charts.ts';
import { idleChart } from './idle-chart.ts';
import { sourceCharts } from './source-chart.ts';

export interface RecordCharts {
  readonly completion: readonly Chart[];
  readonly egress: readonly Chart[];
  readonly sources: readonly Chart[];
  readonly hosts: readonly Chart[];
  readonly machine: readonly Chart[];
}

/** The charts of a record, by the section that shows them; none where nobody ran. */
export function chartsOf(record: StormRecord): RecordCharts {
  if (ranOnes(record).length === 0) return { completion: [], egress: [], sources: [], hosts: [], machine: [] };
  return {
    completion: [completionChart(record), ...(isStaggered(record) ? [durationChart(record)] : [])],
    egress: [egressChart(record)],
    sources: sourceCharts(record),
    hosts: hostCharts(record),
    machine: [idleChart(record)],
  };
}
