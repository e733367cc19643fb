// A real disk image over a link of 1 Gbit/s: what encoding is worth, against curl, which carries every byte.
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createLifecycle } from '@quarry/runtime';
import type { Lifecycle } from '@quarry/runtime';
import { interleaved, ratio, resultsOf } from '../bench.ts';
import type { BenchOptions, Contestant, Measurements, NotRun } from '../bench.ts';
import { warm, writeRandomDisk } from '../contents.ts';
import { makeDiskImage, whyNoDiskImage } from '../disk-image.ts';
import type { DiskImage } from '../disk-image.ts';
import { https, httpsName } from './https.ts';
import type { Link } from './link.ts';
import { bundleNode, quarry, seedStore } from './quarry.ts';
import { checkSame, warmPages } from './rounds.ts';
import { createShapedLink, whyNoShapedLink } from './shaped-link.ts';
import { encodings } from './treatments.ts';

const WARM_UP_BYTES = 16 * 2 ** 20;
const suffix = ', disk image over 1 Gbit/s';

export async function measureDisk(options: BenchOptions): Promise<Measurements> {
  const why = whyNoShapedLink() ?? whyNoDiskImage();
  if (why !== undefined) return { results: [], ratios: {}, notRun: [{ name: `disk image over 1 Gbit/s`, why }] };
  const root = join(options.directory, 'transfer-disk');
  const lifecycle = createLifecycle();
  try {
    await mkdir(root);
    const link = await createShapedLink(lifecycle, options.signal);
    return await measure(options, root, link, lifecycle);
  } finally {
    await lifecycle.close();
    await rm(root, { recursive: true, force: true });
  }
}

async function measure(options: BenchOptions, root: string, link: Link, lifecycle: Lifecycle): Promise<Measurements> {
  const { directory, sizeBytes, signal, tell } = options;
  const images = join(root, 'images');
  await mkdir(images);
  tell('making a disk image');
  const warmUp = join(images, 'warm-up.raw');
  await writeRandomDisk(warmUp, WARM_UP_BYTES, signal);
  const image = await makeDiskImage(join(images, 'disk.raw'), sizeBytes, signal);
  await warm(image.path, signal);
  const prepare = (): Promise<void> => warmPages(image.path, directory, signal);
  const check = (path: string): Promise<void> => checkSame(image.path, path, signal);
  const node = await bundleNode(root);
  const contestants: Contestant[] = [];
  const names: string[] = [];
  const notRun: NotRun[] = [];
  for (const { name: ours, encoding } of encodings) {
    const name = `${ours}${suffix}`;
    names.push(name);
    const dataDirectory = join(root, `seeded-${encoding}`);
    const seeded = await seedStore({ dataDirectory, paths: [image.path, warmUp], encoding }, signal);
    contestants.push(
      quarry(name, {
        node,
        image: basename(image.path),
        warmUpImage: basename(warmUp),
        seeded,
        link,
        senders: 1,
        settings: {},
        isDurable: false,
        check,
        prepare,
        directory: root,
        signal,
      }),
    );
  }
  const own = join(root, 'https');
  await mkdir(own);
  const entry = await https({ image: image.path, link, prepare, check, directory: own, lifecycle, signal });
  if ('why' in entry) notRun.push(entry);
  else
    contestants.push(
      ...entry.contestants.slice(0, 1).map((contestant) => ({ ...contestant, name: `${httpsName}${suffix}` })),
    );
  const results = resultsOf(await interleaved(contestants, options), sizeBytes);
  const curl = results.find(({ name }) => name === `${httpsName}${suffix}`);
  const ratios = names.flatMap((name) => {
    const mine = results.find((result) => result.name === name);
    return mine && curl ? [[`${name}, to curl`, ratio(mine, curl)] as const] : [];
  });
  return { results, ratios: Object.fromEntries(ratios), notRun, facts: factsOf(image) };
}

function factsOf({ zstdRatio, zeroPart }: DiskImage): Record<string, number> {
  return {
    'disk image, bytes to bytes of zstd -1': Number(zstdRatio.toPrecision(4)),
    'disk image, part of it zeros': Number(zeroPart.toPrecision(4)),
  };
}
