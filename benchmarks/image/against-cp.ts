import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findCommand } from '@quarry/storm';
import { interleaved, merged, ratio, resultsOf } from '../bench.ts';
import type { BenchOptions, Contestant, Measurements, Sample } from '../bench.ts';
import { contentNames, makeContents, warm } from '../contents.ts';
import type { Content } from '../contents.ts';
import { makeDiskImage, whyNoDiskImage } from '../disk-image.ts';
import { runCp, runTimed } from '../processes.ts';
import type { ImageOrder } from './image-process.ts';

export const imageParts: readonly string[] = [...contentNames, 'disk-image', 'encoded'];

/** One run of ours; what it writes lies at `target`. */
type Ours = (isDurable: boolean, target: string) => Promise<Sample>;
/** Called once for each content that is measured with. */
type Prepare = (content: Content, encoding: ImageOrder['encoding']) => Promise<Ours>;

/** What ours is measured against. */
interface Opponent {
  readonly name: string;
  run(
    from: string,
    to: string,
    options: { readonly isDurable: boolean; readonly signal: AbortSignal },
  ): Promise<Sample>;
}

const cp: Opponent = { name: 'cp', run: runCp };

/** Two threads: what the machine of the issue has. */
const zstd: Opponent = {
  name: 'zstd -1 -T2',
  run: (from, to, { isDurable, signal }) =>
    runTimed(`zstd -q -1 -T2 -o "$2" -- "$1"${isDurable ? ' && sync -- "$2"' : ''}`, [from, to], { signal }),
};

/**
 * Measures something of ours against `cp` of the same file on the same file system, for each content; with encoded pieces an ingest is measured against zstd
 * (a rebuild still against `cp`: the same file comes out). Once where neither side syncs anything, and once where both have everything on the
 * disk when they are done.
 */
export async function againstCp(
  doing: ImageOrder['doing'],
  options: BenchOptions,
  prepare: Prepare,
): Promise<Measurements> {
  const parts: Measurements[] = [];
  for (const content of await makeContents(options)) {
    parts.push(await compare(doing, options, content, await prepare(content, 'off'), cp));
  }
  parts.push(...(await withDiskImage(doing, options, prepare)));
  return merged(parts);
}

async function withDiskImage(
  doing: ImageOrder['doing'],
  options: BenchOptions,
  prepare: Prepare,
): Promise<readonly Measurements[]> {
  const { only, directory, sizeBytes, signal, tell } = options;
  const chosen = ['disk-image', 'encoded'].filter((part) => only.length === 0 || only.includes(part));
  if (chosen.length === 0) return [];
  const why = whyNoDiskImage();
  if (why !== undefined) return [nothing({ name: `${doing} ${chosen.join(' and ')}`, why })];
  tell('making a disk image');
  const image = await makeDiskImage(join(directory, 'disk-image.raw'), sizeBytes, signal);
  await warm(image.path, signal);
  const facts = { 'disk image, bytes to bytes of zstd -1': Number(image.zstdRatio.toPrecision(4)) };
  const parts: Measurements[] = [{ results: [], ratios: {}, notRun: [], facts }];
  const plain = { ...image, name: 'disk image' };
  if (chosen.includes('disk-image')) parts.push(await compare(doing, options, plain, await prepare(plain, 'off'), cp));
  const encoded = { ...image, name: 'disk image, encoded' };
  const opponent = doing === 'ingest' ? zstd : cp;
  if (opponent === zstd && findCommand('zstd') === undefined) {
    parts.push(nothing({ name: zstd.name, why: 'zstd is not installed; benchmarks/install-peers.sh installs it' }));
  } else if (chosen.includes('encoded')) {
    parts.push(await compare(doing, options, encoded, await prepare(encoded, 'zstd'), opponent));
  }
  return parts;
}

function nothing(notRun: Measurements['notRun'][number]): Measurements {
  return { results: [], ratios: {}, notRun: [notRun] };
}

/** What a run wrote is removed after it, outside the measured time. */
async function compare(
  doing: ImageOrder['doing'],
  options: BenchOptions,
  content: Content,
  ours: Ours,
  opponent: Opponent,
): Promise<Measurements> {
  const { directory, signal } = options;
  const target = join(directory, 'target');
  const cleaned = async (run: Promise<Sample>): Promise<Sample> => {
    const sample = await run;
    await rm(target, { recursive: true, force: true });
    return sample;
  };
  const pairs = [false, true].map((isDurable) => {
    const suffix = `${content.name}${isDurable ? ', fsync' : ''}`;
    const contestants: readonly [Contestant, Contestant] = [
      { name: `${doing} ${suffix}`, run: () => cleaned(ours(isDurable, target)) },
      {
        name: `${opponent.name} ${suffix}`,
        run: () => cleaned(opponent.run(content.path, target, { isDurable, signal })),
      },
    ];
    return { suffix, contestants };
  });
  const samples = await interleaved(
    pairs.flatMap(({ contestants }) => contestants),
    options,
  );
  const results = resultsOf(samples, content.sizeBytes);
  const find = (name: string) => results.find((result) => result.name === name);
  const ratios = pairs.map(({ suffix, contestants: [mine, theirs] }) => {
    const to = opponent === cp ? '' : `, to ${opponent.name}`;
    return [`${suffix}${to}`, ratio(find(mine.name), find(theirs.name))] as const;
  });
  return { results, ratios: Object.fromEntries(ratios), notRun: [] };
}
