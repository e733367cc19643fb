// `quarry scan` as an operator runs it: without a daemon, a key or a data directory.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeImages } from '../../packages/daemon/src/demo/make-images.ts';
import type { MadeImage } from '../../packages/daemon/src/demo/make-images.ts';
import { countUniqueBytes } from '../../packages/daemon/src/demo/unique-bytes.ts';
import type { ScanReport } from '../../packages/daemon/src/scan/scan-tally.ts';
import type { StormEstimate } from '../../packages/daemon/src/scan/storm-estimate.ts';
import { uniqueBytes } from '../dedup/unique-chunks.ts';
import { describeWithGlance } from '../glance/describe-with-glance.ts';
import { startGlance } from '../glance/start-glance.ts';
import type { Glance } from '../glance/start-glance.ts';
import { runQuarry } from './support/cluster.ts';

type Json = ScanReport & { readonly storm: StormEstimate | null };

let dir = '';
let images: readonly MadeImage[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quarry-scan-test-'));
  images = await makeImages({ dir: join(dir, 'store'), seed: 5, baseBytes: 2 ** 22, snapshots: 3 });
});
afterAll(() => rm(dir, { recursive: true }));

async function scan(...words: readonly string[]): Promise<Json> {
  const outcome = await runQuarry(['scan', '--json', ...words]);
  expect(outcome).toMatchObject({ code: 0, err: '' });
  return JSON.parse(outcome.out) as Json;
}

describe('quarry scan', () => {
  test('of qcow2 images in a directory says what leaves the store, to the byte', async () => {
    const report = await scan(join(dir, 'store'), '--storm', '4', '--hosts', '4', '--link', '1Gbit/s');
    const unique = await countUniqueBytes(images.map(({ path }) => path));
    const bytes = images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(report).toMatchObject({ readBytes: bytes, uniqueBytes: unique, fixedImages: 4 });
    expect(report.storm?.today.storeBytes.most).toBe(bytes);
    expect(report.storm?.cold.storeBytes.most).toBeCloseTo(unique, 0);
    expect(report.storm?.shelvedHere.storeBytes.most).toBe(0);
    expect(await readdir(join(dir, 'store'))).toHaveLength(4); // nothing was written there
  });

  test('of raw files that are cut by content counts what a script counts', async () => {
    const raw = await makeImages({ dir: join(dir, 'raw'), seed: 6, baseBytes: 2 ** 21, snapshots: 2, format: 'raw' });
    const report = await scan(join(dir, 'raw'));
    expect(report.fixedImages).toBe(0);
    let unique = 0;
    for (const [i, { path }] of raw.entries()) {
      const held = raw.slice(0, i).map((image) => image.path);
      unique += (await uniqueBytes(held, path, 'cdc-64k')).bytes;
    }
    expect(report.uniqueBytes).toBe(unique);
    expect(report.zeroBytes).toBeGreaterThan(0);
  });

  test('prints a table for people, never what is in an image', async () => {
    const secret = 'secret-of-a-guest';
    await mkdir(join(dir, 'plain'));
    await writeFile(join(dir, 'plain', 'image.raw'), Buffer.from(secret.repeat(100)));
    const outcome = await runQuarry(['scan', join(dir, 'plain'), '--storm', '10']);
    expect(outcome).toMatchObject({ code: 0, err: '' });
    expect(outcome.out).toContain('Quarry, base cached');
    expect(outcome.out).not.toContain(secret);
  });

  test('within a rate takes its time', async () => {
    const report = await scan(join(dir, 'store'), '--rate', '40MiB/s');
    expect(report.images.read).toBe(4);
    expect(report.readBytes / report.seconds).toBeLessThan(44 * 2 ** 20);
  });

  test.for([
    [['scan'], 'name files or directories', 2],
    [['scan', '/no/such/directory'], 'there is no file or directory /no/such/directory', 2],
    [['scan', '.', '--sample', '0%'], '--sample is "0%"', 2],
    [['scan', '.', '--hosts', '3'], '--storm', 2],
    [['scan', '--origin', 'glance', '--origin-url', 'http://127.0.0.1:1'], 'is it running', 4],
  ] as const)('%s says what is wrong', async ([words, says, code]) => {
    const outcome = await runQuarry(words);
    expect(outcome.err).toContain(says);
    expect(outcome.code).toBe(code);
  });

  test('says that Glance refuses the token, and does not print it', async () => {
    const server = createServer((_, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
    const token = join(dir, 'token');
    await writeFile(token, 'gAAAA-very-secret');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const words = ['scan', '--origin', 'glance', '--origin-url', url, '--origin-token-file', token];
      const outcome = await runQuarry(words);
      expect(outcome.code).toBe(4);
      expect(outcome.err).toContain('ORIGIN_UNAUTHORIZED');
      expect(outcome.err).not.toContain('very-secret');
    } finally {
      server.close();
    }
  });
});

describeWithGlance('quarry scan of Glance', () => {
  let glance: Glance;
  beforeAll(async () => {
    const policy = join(dir, 'policy.yaml');
    await writeFile(policy, '"publicize_image": ""\n');
    glance = await startGlance({ dir: join(dir, 'glance'), extraConfig: `[oslo_policy]\npolicy_file = ${policy}\n` });
    const [base, ...snapshots] = images;
    await glance.createImage({
      name: 'base',
      diskFormat: 'qcow2',
      path: base?.path ?? '',
      more: { visibility: 'public' },
    });
    for (const [i, { name, path }] of snapshots.entries())
      await glance.createImage({ name, diskFormat: 'qcow2', path, more: { owner: i === 0 ? 'red' : 'blue' } });
  });
  afterAll(() => glance?.stop());

  test.for(['glance', 'glance-store'] as const)('read as %s has a domain for each project', async (kind) => {
    const path = kind === 'glance' ? [] : ['--origin-path', glance.imagesDir];
    const report = await scan('--origin', kind, '--origin-url', glance.url, ...path);
    const [base, red, ...blue] = images.map((image) => image.path) as [string, string, ...string[]];
    const within = await Promise.all([[base], [base, red], [base, ...blue]].map((paths) => countUniqueBytes(paths)));
    const [publicBytes = 0, withRed = 0, withBlue = 0] = within;
    expect(Object.fromEntries(report.domains.map((found) => [found.domain, found.uniqueBytes]))).toEqual({
      public: publicBytes,
      'project:red': withRed - publicBytes,
      'project:blue': withBlue - publicBytes,
    });
    const all = await countUniqueBytes(images.map((image) => image.path));
    expect(report.uniqueBytes - report.behindBordersBytes).toBe(all);
    expect(report.families).toMatchObject([{ name: 'base', images: 4 }]);
  });

  test('as a directory of files has one domain', async () => {
    const report = await scan('--origin', 'glance-store', '--origin-path', glance.imagesDir);
    expect(report.domains).toMatchObject([{ domain: 'public', images: 4 }]);
    expect(report.families[0]?.name).toMatch(/^[0-9a-f-]{36}$/);
  });
});
