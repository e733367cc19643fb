import type { StormRecord } from '../../storm-record.ts';
import { markup } from '../drawing/markup.ts';
import type { Markup } from '../drawing/markup.ts';
import { deviation, figure, megabits } from '../figures.ts';
import { scrollBox } from './scroll-box.ts';

/** How far the shaped links were from what the scenario asks for. */
export function calibrationTable({ calibration }: StormRecord): Markup {
  if (calibration.length === 0) return markup`<p>The links were not calibrated in this run.</p>`;
  const rows = calibration.map(
    ({ link, setBytesPerSecond, measuredBytesPerSecond }) =>
      markup`<tr><th scope="row">${link}</th><td>${figure(megabits(setBytesPerSecond))}</td><td>${figure(megabits(measuredBytesPerSecond))}</td><td>${deviation(measuredBytesPerSecond, setBytesPerSecond)}</td></tr>`,
  );
  return scrollBox(
    'Calibration',
    markup`<table><caption>What the links carried at the start of the run, headers included, against what they were set to.</caption>
<thead><tr><th scope="col">Link</th><th scope="col">Set <span class="unit">Mbit/s</span></th><th scope="col">Measured <span class="unit">Mbit/s</span></th><th scope="col">Error</th></tr></thead>
<tbody>${rows}</tbody></table>`,
  );
}
