import type { ContestantRecord, StormRecord } from '../storm-record.ts';
import { chartsOf } from './charts/charts-of-record.ts';
import { inlineSvg, NARROW_PX, WIDE_PX } from './drawing/chart.ts';
import type { Chart } from './drawing/chart.ts';
import { markup, trustedMarkup } from './drawing/markup.ts';
import type { Insert, Markup } from './drawing/markup.ts';
import { count, figure, rate, size } from './figures.ts';
import { glossary } from './glossary.ts';
import { hasBound, headline } from './headline.ts';
import { PAGE_STYLE } from './page-style.ts';
import { ranOnes } from './standing.ts';
import { calibrationTable } from './tables/calibration-table.ts';
import { contestantTable } from './tables/contestant-table.ts';
import { hostTable } from './tables/host-table.ts';

/** The report as one page that needs nothing else: no script, no font, no picture from anywhere; the policy in its head forbids them. */
export function reportPage(record: StormRecord): string {
  const charts = chartsOf(record);
  const ran = ranOnes(record);
  const title = `Storm: ${record.scenario}, ${count(record.hosts)} ${record.hosts === 1 ? 'host' : 'hosts'}`;
  const { markup: page } = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${trustedMarkup(PAGE_STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p class="about">${record.about}</p>
${result(record)}
${facts(record)}
${section('Contestants', contestantTable(record), aboutContestants(record.contestants))}
${section('Completion', charts.completion.map(figureOf))}
${section('Origin', charts.egress.map(figureOf))}
${section('Sources of bytes', sources(ran, charts.sources))}
${section(
  'Processors and memory of hosts',
  charts.hosts.map(figureOf),
  ran.map((contestant) => hostTable(contestant, record.zones)),
)}
${section('The machine', charts.machine.map(figureOf))}
${section('Why the slowest host was late', criticalPaths(ran))}
${section('Calibration of the links', calibrationTable(record))}
${section('Notes', notes(record.contestants))}
${section('How it was run', howItWasRun(record))}
${section('What the figures mean', glossary())}
</main>
</body>
</html>
`;
  return page;
}

/** Nothing where there is nothing to say. */
function section(heading: string, ...content: readonly Insert[]): Markup | undefined {
  const { markup: inside } = markup`${content}`;
  if (inside === '') return undefined;
  return markup`<section>
<h2>${heading}</h2>
${content}
</section>`;
}

function result(record: StormRecord): Markup {
  const { first, further } = headline(record);
  return markup`<div class="result"><p>${first}</p>${
    further.length === 0
      ? undefined
      : markup`<ul>${further.map(({ text, isAlarm }) => markup`<li${isAlarm ? markup` class="alarm"` : undefined}>${text}</li>`)}</ul>`
  }</div>`;
}

function facts(record: StormRecord): Markup {
  const { imageBytes: images } = record;
  const sizes =
    images.smallest === images.largest ? size(images.largest) : `${size(images.smallest)} to ${size(images.largest)}`;
  const all: readonly (readonly [string, string])[] = [
    ['Hosts', `${count(record.hosts)} in ${count(record.zones)} ${record.zones === 1 ? 'rack' : 'racks'}`],
    ['Images', images.count === 1 ? `1 of ${sizes}` : `${count(images.count)} of ${sizes}`],
    ['Link of a host', rate(record.linkBytesPerSecond)],
    ['Link of the origin', rate(record.originBytesPerSecond)],
    ['Budget of the origin', record.budgetBytesPerSecond === null ? 'none' : rate(record.budgetBytesPerSecond)],
    ['Glance', record.glance],
    ['Bound T*', hasBound(record) ? `${figure(record.boundSeconds)} s, by ${record.boundBy}` : 'none'],
  ];
  return markup`<dl class="facts">${all.map(([name, value]) => markup`<div${value.length > 16 ? markup` class="long"` : undefined}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function aboutContestants(contestants: readonly ContestantRecord[]): Markup | undefined {
  const told = contestants.filter(({ about }) => about !== '');
  if (told.length === 0) return undefined;
  return markup`<h3>Who they are</h3><ul>${told.map(({ name, about }) => markup`<li><strong>${name}</strong>: ${about}</li>`)}</ul>`;
}

/** Drawn twice: the style shows what fits the width of the window. */
function figureOf(chart: Chart): Markup {
  return markup`<figure><figcaption><strong>${chart.title}</strong>${chart.caption}</figcaption>${inlineSvg(chart, WIDE_PX, 'wide')}${inlineSvg(chart, NARROW_PX, 'narrow')}</figure>
`;
}

function sources(ran: readonly ContestantRecord[], charts: readonly Chart[]): Insert {
  const untold = ran.filter(({ hosts }) => hosts.every((host) => host.sources === undefined)).map(({ name }) => name);
  return [
    ...charts.map(figureOf),
    untold.length === 0
      ? undefined
      : markup`<p>Of ${untold.join(', ')} it cannot be told where a host’s bytes came from.</p>`,
  ];
}

function criticalPaths(ran: readonly ContestantRecord[]): Insert {
  return ran
    .filter(({ criticalPath }) => criticalPath.length > 0)
    .map(
      ({ name, criticalPath }) =>
        markup`<h3>${name}</h3><ul>${criticalPath.map((line) => markup`<li>${line}</li>`)}</ul>`,
    );
}

function notes(contestants: readonly ContestantRecord[]): Insert {
  return contestants
    .filter((contestant) => contestant.notes.length > 0)
    .map(
      (contestant) =>
        markup`<h3>${contestant.name}</h3><ul>${contestant.notes.map((note) => markup`<li>${note}</li>`)}</ul>`,
    );
}

function howItWasRun({ command, machine, commit, startedAt, seed }: StormRecord): Markup {
  return markup`${command === undefined ? undefined : markup`<p><code>${command}</code></p>`}
<dl class="facts"><div><dt>Started</dt><dd>${moment(startedAt)}</dd></div><div><dt>Seed</dt><dd>${seed}</dd></div><div><dt>Commit</dt><dd>${commit}</dd></div><div><dt>Machine</dt><dd>${count(machine.cores)} cores, ${figure(machine.memoryGiB)} GiB</dd></div><div><dt>Kernel</dt><dd>${machine.kernel}</dd></div><div><dt>Node</dt><dd>${machine.node}</dd></div></dl>`;
}

/** `2026-11-23 02:10:00 UTC`; what is no such time stays as it is. */
function moment(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(iso);
  return match === null ? iso : `${match[1]} ${match[2]} UTC`;
}
