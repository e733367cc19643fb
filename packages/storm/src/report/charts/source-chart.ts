import type { HostSources } from '../../contestant.ts';
import type { ContestantRecord, StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { SOURCE_NAMES } from '../drawing/palette.ts';
import type { SourceName } from '../drawing/palette.ts';
import { drawStackedBars } from '../drawing/stacked-bars.ts';
import { count, mebibytes, share, size } from '../figures.ts';
import { ranOnes } from '../standing.ts';

/** What each source is called, for people. Racks are told apart only where there are several. */
const SOURCE_TEXTS: Readonly<Record<SourceName, string>> = {
  local: 'held already',
  rack: 'peers in its rack',
  peer: 'peers in other racks',
  seeder: 'seeder',
  origin: 'origin',
};

export function sourceText(name: SourceName, zones: number): string {
  return name === 'peer' && zones < 2 ? 'peers' : SOURCE_TEXTS[name];
}

interface SourcedHost {
  readonly name: string;
  readonly sources: HostSources;
}

/** Hosts of which is known where their bytes came from; those first that had least from nearby: sorted so, hundreds of bars make one picture. */
export function sourcedHosts({ hosts }: ContestantRecord): readonly SourcedHost[] {
  return hosts
    .flatMap(({ name, sources }) => (sources === undefined ? [] : [{ name, sources }]))
    .toSorted((a, b) => nearby(a.sources) - nearby(b.sources) || outside(b.sources) - outside(a.sources));
}

/** Where each host's bytes came from; a chart for each contestant that knows it. */
export function sourceCharts(record: StormRecord): readonly Chart[] {
  return ranOnes(record).flatMap((contestant) => {
    const hosts = sourcedHosts(contestant);
    return hosts.length === 0 ? [] : [sourceChart(contestant.name, hosts, record.zones)];
  });
}

function sourceChart(contestant: string, hosts: readonly SourcedHost[], zones: number): Chart {
  const sums = sumOfSources(hosts);
  const all = totalBytes(sums);
  const present = SOURCE_NAMES.filter((name) => sums[name] > 0);
  const shares = present.map((name) => `${sourceText(name, zones)} ${size(sums[name])} (${share(sums[name], all)})`);
  return {
    name: `sources-${fileName(contestant)}`,
    title: `Where each host’s bytes came from: ${contestant}`,
    caption: `Bytes of chunks of ${count(hosts.length)} hosts by source, those first that had least from nearby. In all: ${shares.join(', ')}.`,
    draw: (widthPx, ids) =>
      drawStackedBars(
        {
          valueLabel: 'Bytes of a host (MiB)',
          rankLabel: 'Hosts, least from nearby first (rank)',
          bars: hosts.map(({ name, sources }) => ({
            name,
            values: {
              local: mebibytes(sources.local),
              rack: mebibytes(sources.rack),
              peer: mebibytes(sources.peer),
              seeder: mebibytes(sources.seeder),
              origin: mebibytes(sources.origin),
            },
          })),
          legend: present.map((name) => ({ name, text: sourceText(name, zones) })),
        },
        widthPx,
        ids,
      ),
  };
}

export function totalBytes(sources: HostSources): number {
  return SOURCE_NAMES.reduce((sum, name) => sum + sources[name], 0);
}

export function sumOfSources(hosts: readonly SourcedHost[]): HostSources {
  const sums = { local: 0, rack: 0, peer: 0, seeder: 0, origin: 0 };
  for (const { sources } of hosts) for (const name of SOURCE_NAMES) sums[name] += sources[name];
  return sums;
}

function nearby({ local, rack }: HostSources): number {
  return local + rack;
}

function outside({ seeder, origin }: HostSources): number {
  return seeder + origin;
}

/** Whatever a contestant is called, its file stays in the report's directory. */
function fileName(contestant: string): string {
  return contestant.toLowerCase().replace(/[^a-z0-9]+/g, '-') || 'unnamed';
}
