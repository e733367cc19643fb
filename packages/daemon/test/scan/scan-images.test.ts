import { copyFile, mkdir, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { domain, publicDomain } from '@quarry/content';
import type { Domain } from '@quarry/content';
import { createCompute } from '@quarry/image';
import { createDirectoryOrigin } from '@quarry/origin';
import { createSeededRandom, systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeImages } from '../../src/demo/make-images.ts';
import { countUniqueBytes } from '../../src/demo/unique-bytes.ts';
import { scanImages } from '../../src/scan/scan-images.ts';
import type { ScanOptions } from '../../src/scan/scan-images.ts';
import type { ScanResult } from '../../src/scan/scan-tally.ts';
import type { ScanSource } from '../../src/scan/scan-source.ts';

let dir = '';
const compute = createCompute({ maxThreads: 0 });
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quarry-scan-'));
  await makeImages({ dir: join(dir, 'store'), seed: 1, baseBytes: 2 ** 23, snapshots: 5 });
});
afterAll(async () => {
  await compute.close();
  await rm(dir, { recursive: true });
});

async function sourcesOf(directory: string, domains: Readonly<Record<string, Domain>> = {}): Promise<ScanSource[]> {
  const origin = createDirectoryOrigin({ clock: systemClock }, { directory });
  const sources: ScanSource[] = [];
  for await (const image of origin.list())
    sources.push({ origin, image: { ...image, domain: domains[image.ref] ?? publicDomain } });
  return sources;
}

function scan(sources: readonly ScanSource[], options: Partial<ScanOptions> = {}, seed = 1): Promise<ScanResult> {
  const deps = { clock: systemClock, random: createSeededRandom(seed), compute };
  return scanImages(deps, sources, { domain: publicDomain, ...options });
}

describe('a scan', () => {
  test('counts what a script counts that shares no code with it', async () => {
    const sources = await sourcesOf(join(dir, 'store'));
    const { report } = await scan(sources);
    const paths = sources.map(({ image }) => join(dir, 'store', image.ref));
    expect(report).toMatchObject({ images: { found: 6, chosen: 6, read: 6 }, fixedImages: 6, keptOneIn: 1 });
    expect(report.uniqueBytes).toBe(await countUniqueBytes(paths));
    expect(report.allUniqueBytes).toEqual({ least: report.uniqueBytes, most: report.uniqueBytes });
  });

  test('names the base of a family', async () => {
    const { report } = await scan(await sourcesOf(join(dir, 'store')), {}, 3);
    expect(report.families).toMatchObject([{ name: 'base.qcow2', images: 6 }]);
  });

  test('shares nothing between two projects, and says what that costs', async () => {
    const [a, b] = [domain('project:a'), domain('project:b')];
    const store = join(dir, 'two');
    await mkdir(store);
    for (const name of ['vm-a', 'vm-b']) await copyFile(join(dir, 'store', 'base.qcow2'), join(store, name));
    const { report } = await scan(await sourcesOf(store, { 'vm-a': a, 'vm-b': b }));
    const once = await countUniqueBytes([join(store, 'vm-a')]);
    expect(report).toMatchObject({ uniqueBytes: 2 * once, behindBordersBytes: once });
    await copyFile(join(store, 'vm-a'), join(store, 'public'));
    const shared = await scan(await sourcesOf(store, { 'vm-a': a, 'vm-b': b }));
    expect(shared.report).toMatchObject({ uniqueBytes: once, behindBordersBytes: 0 });
  });

  test('with too little memory is off by no more than it says', async () => {
    const sources = await sourcesOf(join(dir, 'store'));
    const { report: exact } = await scan(sources);
    const { report } = await scan(sources, { memoryBytes: 4 * 2 ** 10 });
    expect(report.keptOneIn).toBeGreaterThan(1);
    expect(Math.abs(report.uniqueBytes - exact.uniqueBytes)).toBeLessThan(2 * report.uniqueBytesError);
  });

  test('of a sample of images has the whole store between its bounds', async () => {
    const sources = await sourcesOf(join(dir, 'store'));
    const { report: exact } = await scan(sources);
    const { report } = await scan(sources, { sample: 0.5 });
    expect(report.images).toEqual({ found: 6, chosen: 3, read: 3 });
    expect(report.allUniqueBytes.least).toBeLessThan(exact.uniqueBytes);
    expect(report.allUniqueBytes.most).toBeGreaterThan(exact.uniqueBytes);
  });

  test('that is stopped gives what it had read whole, as a sample', async () => {
    const stop = new AbortController();
    let images = 0;
    let image: string | undefined;
    const onProgress: ScanOptions['onProgress'] = (progress) => {
      if (progress.image !== image) images += 1;
      image = progress.image;
      if (images === 4) stop.abort(new Error('stopped'));
    };
    const sources = await sourcesOf(join(dir, 'store'));
    const { report } = await scan(sources, { signal: stop.signal, concurrent: 1, onProgress });
    expect(report.images.read).toBeGreaterThanOrEqual(3); // the fourth, too, if the rest of it was on its way
    expect(report.images.read).toBeLessThanOrEqual(4);
    expect(report.failures).toEqual([]);
    expect(report.allUniqueBytes.most).toBeGreaterThan(report.uniqueBytes);
  });

  test('leaves out an image that changes under it, and names it', async () => {
    const store = join(dir, 'cut');
    await mkdir(store);
    for (const name of ['a', 'b']) await copyFile(join(dir, 'store', 'base.qcow2'), join(store, name));
    const sources = await sourcesOf(store);
    await truncate(join(store, 'b'), 70_000);
    const { report } = await scan(sources);
    expect(report.images.read).toBe(1);
    expect(report.failures).toMatchObject([{ image: 'b' }]);
  });

  test('of nothing readable fails with the reason', async () => {
    const store = join(dir, 'gone');
    await mkdir(store);
    await copyFile(join(dir, 'store', 'base.qcow2'), join(store, 'a'));
    const sources = await sourcesOf(store);
    await rm(join(store, 'a'));
    await expect(scan(sources)).rejects.toMatchObject({ code: 'IMAGE_SOURCE_FAILED' });
  });
});
