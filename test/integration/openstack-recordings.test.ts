// The same doings straight to Glance and through Quarry, recorded on the wire: nothing may differ but request ids and dates.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBytes } from '../../packages/gateway/test/support/memory-images.ts';
import { startGateway, type TestGateway } from '../../packages/gateway/test/support/start-gateway.ts';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import { startNovaClient, type NovaClient } from '../openstack/nova-client.ts';
import { startRecorder, type Recorder } from '../openstack/recording/start-recorder.ts';
import { playScenario, type Played } from '../openstack/scenarios/play-scenario.ts';
import { scenarios } from '../openstack/scenarios/scenarios.ts';
import { startCloud, type Cloud } from '../openstack/start-cloud.ts';

const imageSizeCap = 2_000_000;

describeWithOpenStack('the gateway is not told from Glance', () => {
  let dir: string;
  let cloud: Cloud;
  let nova: NovaClient;
  let gateway: TestGateway;
  let toGlance: Recorder;
  let toGateway: Recorder;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-recordings-'));
    const glanceConfig = `[DEFAULT]\nimage_size_cap = ${imageSizeCap}\n`;
    [cloud, nova] = await Promise.all([startCloud({ dir, glanceConfig }), startNovaClient(dir)]);
    gateway = await startGateway(cloud.glance.url);
    // What it has seen passing by it gives from memory: whether the bytes are right is for its answers to show.
    const { images } = gateway;
    images.onOpen = async ({ ref }, part) => {
      const seen = images.taken.find(({ image, outcome }) => outcome === 'published' && image.ref === ref);
      return seen && openBytes(seen.bytes, part);
    };
    toGlance = await startRecorder(cloud.glance.url);
    toGateway = await startRecorder(gateway.url);
  });

  afterAll(async () => {
    await Promise.all([toGlance?.close(), toGateway?.close(), nova?.stop()]);
    await gateway?.close();
    await cloud?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  for (const scenario of scenarios) {
    test(scenario.title, async () => {
      const play = (recorder: Recorder): Promise<Played> =>
        playScenario(scenario, { cloud, nova, recorder, dir, imageSizeCap });
      const straight = await play(toGlance);
      expect(straight.statuses).toBe(scenario.statuses);
      expect((await play(toGateway)).transcript).toEqual(straight.transcript);
    });
  }

  test('much of what was compared came from Quarry', () => {
    const count = (how: string): number => gateway.served.filter(({ served }) => served === how).length;
    expect(count('quarry')).toBeGreaterThan(20);
    expect(count('cut')).toBe(0);
  });
});
