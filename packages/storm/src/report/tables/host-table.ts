import type { ContestantRecord } from '../../storm-record.ts';
import { sourcedHosts, sourceText } from '../charts/source-chart.ts';
import { markup } from '../drawing/markup.ts';
import type { Markup } from '../drawing/markup.ts';
import { SOURCE_NAMES } from '../drawing/palette.ts';
import { figure, mebibytes } from '../figures.ts';
import { scrollBox } from './scroll-box.ts';

/** The figures behind the charts of hosts, folded up: a row for each host of one contestant. */
export function hostTable(contestant: ContestantRecord, zones: number): Markup | undefined {
  if (contestant.hosts.length === 0) return undefined;
  const hasSources = sourcedHosts(contestant).length > 0;
  const rows = contestant.hosts.map(
    ({ name, zone, cpuSeconds, pssMiB, peakRssMiB, sources }) =>
      markup`<tr><th scope="row">${name}</th><td>${zone}</td><td>${figure(cpuSeconds)}</td><td>${figure(pssMiB)}</td><td>${figure(peakRssMiB)}</td>${
        hasSources
          ? SOURCE_NAMES.map(
              (source) => markup`<td>${sources === undefined ? '–' : figure(mebibytes(sources[source]))}</td>`,
            )
          : undefined
      }</tr>`,
  );
  return markup`<details><summary>Every host of ${contestant.name}</summary>${scrollBox(
    `Hosts of ${contestant.name}`,
    markup`<table><caption>Hosts of ${contestant.name}${hasSources ? ', with the bytes that each had from where' : undefined}.</caption>
<thead><tr><th scope="col">Host</th><th scope="col">Rack</th><th scope="col">CPU <span class="unit">s</span></th><th scope="col">PSS <span class="unit">MiB</span></th><th scope="col">Peak RSS <span class="unit">MiB</span></th>${
      hasSources
        ? SOURCE_NAMES.map(
            (source) => markup`<th scope="col">${sourceText(source, zones)} <span class="unit">MiB</span></th>`,
          )
        : undefined
    }</tr></thead>
<tbody>${rows}</tbody></table>`,
  )}</details>`;
}
