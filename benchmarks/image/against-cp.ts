import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { interleaved, ratio, resultOf } from '../bench.ts';
import type { BenchOptions, Contestant, Measurements, Result, Sample } from '../bench.ts';
import { makeContents } from '../contents.ts';
import type { Content } from '../contents.ts';
import { runCp } from '../processes.ts';

/**
 * Measures something of ours against `cp` of the same file on the same file system, for each content: once where neither side syncs anything, and once where
 * both have everything on the disk when they are done. What a run wrote is removed after it, outside the measured time.
 */
export async function againstCp(
  name: string,
  options: BenchOptions,
  prepare: (content: Content) => Promise<(isDurable: boolean, target: string) => Promise<Sample>>,
): Promise<Measurements> {
  const { directory, signal } = options;
  const results: Result[] = [];
  const ratios: Record<string, number> = {};
  for (const content of await makeContents(options)) {
    const ours = await prepare(content);
    const target = join(directory, 'target');
    const cleaned = async (run: Promise<Sample>): Promise<Sample> => {
      const sample = await run;
      await rm(target, { recursive: true, force: true });
      return sample;
    };
    const pairs = [false, true].map((isDurable) => {
      const suffix = `${content.name}${isDurable ? ', fsync' : ''}`;
      const contestants: readonly [Contestant, Contestant] = [
        { name: `${name} ${suffix}`, run: () => cleaned(ours(isDurable, target)) },
        { name: `cp ${suffix}`, run: () => cleaned(runCp(content.path, target, { isDurable, signal })) },
      ];
      return { suffix, contestants };
    });
    const samples = await interleaved(
      pairs.flatMap(({ contestants }) => contestants),
      options,
    );
    for (const { suffix, contestants } of pairs) {
      const [mine, theirs] = contestants.map((contestant) =>
        resultOf(contestant.name, samples.get(contestant.name) ?? [], content.sizeBytes),
      );
      if (!mine || !theirs) continue;
      results.push(mine, theirs);
      ratios[`${suffix}`] = ratio(mine, theirs);
    }
  }
  return { results, ratios, notRun: [] };
}
