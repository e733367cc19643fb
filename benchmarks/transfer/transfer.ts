// One host to another: ours against what else there is for that, in the same rounds.
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createLifecycle } from '@quarry/runtime';
import { interleaved, merged, ratio, reportOf, resultsOf } from '../bench.ts';
import type { Bench, BenchOptions, Contestant, Measurements, NotRun, Result } from '../bench.ts';
import { writeRandomDisk } from '../contents.ts';
import { aria2, aria2Name } from './aria2.ts';
import type { ContestantSetup } from './contestant-setup.ts';
import { measureDisk } from './disk.ts';
import { https, httpsName } from './https.ts';
import { libtorrent, libtorrentName } from './libtorrent.ts';
import { loopback } from './link.ts';
import { bundleNode, quarry, seedStore } from './quarry.ts';
import type { QuarryOptions, SeededStore } from './quarry.ts';
import { checkSame, warmPages } from './rounds.ts';
import { overLibp2p, overPlainTcp, whyNot } from './treatments.ts';

/** Which is measured with which image over which link. */
const partNames = ['random', 'libp2p', 'plain', 'eight', 'disk'] as const;
type Part = (typeof partNames)[number];

const WARM_UP_BYTES = 32 * 2 ** 20;
const SENDERS = 8;

export const transfer: Bench = {
  about: 'a cold image from one process to another, against curl from nginx, aria2 and libtorrent',
  parts: partNames,
  async run(options) {
    const isChosen = (part: Part): boolean => options.only.length === 0 || options.only.includes(part);
    const parts: Measurements[] = [];
    if (partNames.some((part) => part !== 'disk' && isChosen(part))) {
      parts.push(await measureRandom(options, isChosen));
    }
    if (isChosen('disk')) parts.push(await measureDisk(options));
    return reportOf(merged(parts));
  },
};

async function measureRandom(options: BenchOptions, isChosen: (part: Part) => boolean): Promise<Measurements> {
  const { directory, sizeBytes, signal, tell } = options;
  const root = join(directory, 'transfer');
  const images = join(root, 'images');
  await mkdir(images, { recursive: true });
  const image = join(images, 'image.raw');
  const warmUp = join(images, 'warm-up.raw');
  tell('making an image and a store that holds it');
  await writeRandomDisk(image, sizeBytes, signal);
  await writeRandomDisk(warmUp, Math.min(WARM_UP_BYTES, sizeBytes), signal);
  const dataDirectory = join(root, 'seeded');
  // As much for each of several senders as for one.
  const warmUpOfEight = join(images, 'warm-up-of-eight.raw');
  const paths = [image, warmUp];
  if (isChosen('eight')) {
    await writeRandomDisk(warmUpOfEight, Math.min(SENDERS * WARM_UP_BYTES, sizeBytes), signal);
    paths.push(warmUpOfEight);
  }
  const seeded = await seedStore({ dataDirectory, paths, encoding: 'off' }, signal);
  const lifecycle = createLifecycle();
  try {
    const { contestants, notRun } = await enter(options, {
      root,
      image,
      warmUp,
      warmUpOfEight,
      seeded,
      lifecycle,
      isChosen,
    });
    const results = resultsOf(await interleaved(contestants, options), sizeBytes);
    return { results, ratios: ratiosOf(results), notRun };
  } finally {
    await lifecycle.close();
    await rm(root, { recursive: true, force: true });
  }
}

const ours = 'quarry';
const oursDurable = 'quarry, fsync';
const oursFromEight = `quarry, ${SENDERS} senders`;

async function enter(
  { directory, signal }: BenchOptions,
  {
    root,
    image,
    warmUp,
    warmUpOfEight,
    seeded,
    lifecycle,
    isChosen,
  }: Pick<ContestantSetup, 'image' | 'lifecycle'> & {
    readonly root: string;
    readonly warmUp: string;
    readonly warmUpOfEight: string;
    readonly seeded: SeededStore;
    readonly isChosen: (part: Part) => boolean;
  },
): Promise<{ readonly contestants: readonly Contestant[]; readonly notRun: readonly NotRun[] }> {
  const prepare = (): Promise<void> => warmPages(image, directory, signal);
  const check = (path: string): Promise<void> => checkSame(image, path, signal);
  const common: QuarryOptions = {
    node: await bundleNode(root),
    image: basename(image),
    warmUpImage: basename(warmUp),
    seeded,
    link: loopback,
    senders: 1,
    settings: {},
    isDurable: false,
    check: undefined,
    prepare,
    directory: root,
    signal,
  };
  // Ours takes part in every part: it is what the others are compared with.
  const contestants: Contestant[] = [quarry(ours, { ...common, check })];
  const notRun: NotRun[] = [];
  if (isChosen('random')) contestants.push(quarry(oursDurable, { ...common, isDurable: true }));
  for (const treatment of [...(isChosen('libp2p') ? [overLibp2p] : []), ...(isChosen('plain') ? [overPlainTcp] : [])]) {
    const why = whyNot(treatment);
    if (why) notRun.push(why);
    else contestants.push(quarry(treatment.name, { ...common, settings: treatment.settings }));
  }
  if (isChosen('eight')) {
    const eight = { senders: SENDERS, warmUpImage: basename(warmUpOfEight) };
    contestants.push(quarry(oursFromEight, { ...common, ...eight }));
  }
  for (const [name, contestant] of Object.entries(isChosen('random') ? { https, aria2, libtorrent } : {})) {
    const own = join(root, name);
    await mkdir(own);
    const setup = { image, link: loopback, prepare, check, directory: own, lifecycle, signal };
    const entry = await contestant(setup);
    if ('why' in entry) notRun.push(entry);
    else contestants.push(...entry.contestants);
  }
  return { contestants, notRun };
}

function ratiosOf(results: readonly Result[]): Record<string, number> {
  const find = (name: string): Result | undefined => results.find((result) => result.name === name);
  const torrents = [find(aria2Name), find(libtorrentName)]
    .filter((result) => result !== undefined)
    .sort((a, b) => (b.mbPerSecond ?? 0) - (a.mbPerSecond ?? 0));
  const pairs: readonly (readonly [name: string, ours: Result | undefined, theirs: Result | undefined])[] = [
    ['to curl', find(ours), find(httpsName)],
    ['rebuilt, to curl', find(`${ours}, and rebuilt`), find(httpsName)],
    ['fsync, to curl', find(oursDurable), find(`${httpsName}, fsync`)],
    ['to the faster of aria2 and libtorrent', find(ours), torrents[0]],
    ['to libp2p streams', find(ours), find(overLibp2p.name)],
    ['to plain TCP', find(ours), find(overPlainTcp.name)],
    ['from eight senders to one', find(oursFromEight), find(ours)],
  ];
  return Object.fromEntries(pairs.flatMap(([name, a, b]) => (a && b ? [[name, ratio(a, b)]] : [])));
}
