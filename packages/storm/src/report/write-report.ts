import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { StormRecord } from '../storm-record.ts';
import { chartsOf } from './charts/charts-of-record.ts';
import { standaloneSvg } from './drawing/chart.ts';
import { reportPage } from './report-page.ts';

/**
 * Writes `index.html`, which needs nothing beside it, and each of its charts as an .svg. The directory is made where it is missing; files of an earlier report with
 * the same names are replaced. Resolves with the paths, the page's first. STORM_FILE: it cannot be written.
 */
export async function writeReport(
  record: StormRecord,
  directory: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const files = [
    { name: 'index.html', text: reportPage(record) },
    ...Object.values(chartsOf(record))
      .flat()
      .map((chart) => ({ name: `${chart.name}.svg`, text: standaloneSvg(chart) })),
  ];
  const paths: string[] = [];
  try {
    await mkdir(directory, { recursive: true });
    for (const { name, text } of files) {
      const path = join(directory, name);
      await writeFile(path, text, { signal });
      paths.push(path);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new StormError('STORM_FILE', `The report cannot be written to ${directory}: ${String(error)}.`, {
      cause: error,
      details: { directory, code: errorCode(error) },
    });
  }
  return paths;
}
