// The same doings straight to Glance and through Quarry, recorded on the wire: nothing may differ but request ids and dates.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import { startNovaClient, type NovaClient } from '../openstack/nova-client.ts';
import { startRecorder, type Recorder } from '../openstack/recording/start-recorder.ts';
import { playScenario, type Played } from '../openstack/scenarios/play-scenario.ts';
import { scenarios } from '../openstack/scenarios/scenarios.ts';
import { startCloud, type Cloud } from '../openstack/start-cloud.ts';
import { createCluster, type Cluster } from './support/cluster.ts';
import { startGatewayNode, type GatewayNode } from './support/gateway-node.ts';

const imageSizeCap = 2_000_000;

describeWithOpenStack('Quarry is not told from Glance', () => {
  let cloud: Cloud;
  let nova: NovaClient;
  let cluster: Cluster;
  let node: GatewayNode;
  let toGlance: Recorder;
  let throughQuarry: Recorder;

  beforeAll(async () => {
    cluster = await createCluster();
    const dir = cluster.root;
    const glanceConfig = `[DEFAULT]\nimage_size_cap = ${imageSizeCap}\n`;
    [cloud, nova] = await Promise.all([startCloud({ dir, glanceConfig }), startNovaClient(dir)]);
    node = await startGatewayNode(cluster, 'node', cloud.glance.url);
    toGlance = await startRecorder(cloud.glance.url);
    throughQuarry = await startRecorder(node.url);
  });

  afterAll(async () => {
    await Promise.all([toGlance?.close(), throughQuarry?.close(), nova?.stop()]);
    await cluster?.stop();
    await cloud?.stop();
  });

  for (const scenario of scenarios) {
    test(scenario.title, async () => {
      const play = (recorder: Recorder): Promise<Played> =>
        playScenario(scenario, { cloud, nova, recorder, dir: cluster.root, imageSizeCap });
      const straight = await play(toGlance);
      expect(straight.statuses).toBe(scenario.statuses);
      expect((await play(throughQuarry)).transcript).toEqual(straight.transcript);
    });
  }

  test('much of what was compared came from chunks', async () => {
    const served = /^quarry_gateway_served_images_total\{served="(\w+)"\} (\d+)$/gm;
    const counts = new Map((await node.client.metrics()).matchAll(served).map(([, how, n]) => [how, Number(n)]));
    expect(counts.get('quarry')).toBeGreaterThan(15);
    expect(counts.get('cut') ?? 0).toBe(0);
  });
});
