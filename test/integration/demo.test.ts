// The main job at a size that a test can bear: the processes, the link and the witness are those of `npm run demo`.
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DemoReport } from '../../packages/daemon/src/demo/demo-report.ts';
import { runQuarry } from './support/cluster.ts';

describe('the demo', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-demo-test-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  test('delivers every image bit for bit, and each byte leaves the store once', async () => {
    const json = join(dir, 'out.json');
    const words = ['demo', '--nodes', '4', '--size', '6MiB', '--link', '16Mbit/s', '--json', json];
    const outcome = await runQuarry([...words, '--keep', join(dir, 'kept')]);
    expect(outcome.code, outcome.err).toBe(0);
    const report = JSON.parse(await readFile(json, 'utf8')) as DemoReport;
    expect(report).toMatchObject({ nodes: 4, images: 4, verifiedImages: 4, wrongBytes: 0, badChunks: 0 });
    expect(report.originAmplification).toBeLessThanOrEqual(1.1); // less to spread the overhead over than in the demo itself
    expect(report.directOriginBytes).toBeGreaterThanOrEqual(report.imageBytes);
    expect(report.bytesFromPeers).toBeGreaterThan(report.bytesFromOrigin);
    expect(outcome.out).toContain('0 wrong bytes');
    expect(await readdir(join(dir, 'kept'))).toContain('statuses.json');
  });
});
