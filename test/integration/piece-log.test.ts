// Real daemons with piece logs: an image goes from the seeder through two façades, and the logs tell its way.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answerAsGlance, ID, imageFixture, patternBytes } from '../../packages/gateway/test/support/glance-images.ts';
import { startScriptedGlance, type ScriptedGlance } from '../../packages/gateway/test/support/scripted-glance.ts';
import { criticalPath } from '../../packages/storm/src/critical-path/critical-path.ts';
import type { LoggedMember } from '../../packages/storm/src/critical-path/logged-storm.ts';
import { parseNodeLog } from '../../packages/storm/src/critical-path/node-log.ts';
import { sourcesByHost } from '../../packages/storm/src/critical-path/sources-by-host.ts';
import { createCluster, type Cluster, type Member } from './support/cluster.ts';
import { startGatewayNode } from './support/gateway-node.ts';

const bytes = patternBytes(8 * 2 ** 20);
let cluster: Cluster;
let glance: ScriptedGlance;

beforeEach(async () => {
  cluster = await createCluster();
  glance = await startScriptedGlance(answerAsGlance(imageFixture(bytes)));
});

afterEach(async () => {
  await cluster.stop();
  await glance.close();
});

const logOf = (name: string): string => join(cluster.root, `${name}.jsonl`);

/** As the log is when its daemon has ended. */
async function loggedMember(
  member: Member,
  name: string,
  role: 'node' | 'seeder',
  zone: number,
): Promise<LoggedMember> {
  await member.process.stop();
  const log = parseNodeLog(await readFile(logOf(name), 'utf8'));
  expect(log.node).toBe(member.id);
  expect(log.lostLines).toBe(0);
  return { peer: member.id, name, zone, role, log };
}

test('the logs of a storm through façades say where all bytes came from, and the way of the last piece', async () => {
  const flags = (name: string): string[] => ['--piece-log', logOf(name)];
  const ofGlance = ['--origin', 'glance', '--origin-url', glance.url];
  const seeder = await cluster.startSeeder([ID], [...ofGlance, ...flags('seeder')]);
  const join1 = ['--bootstrap', seeder.address, '--trust', seeder.id];
  const names = ['host-0', 'host-1'] as const;
  const nodes = await Promise.all(
    names.map((name) => startGatewayNode(cluster, name, glance.url, [...join1, ...flags(name)])),
  );
  const startMs = performance.timeOrigin + performance.now();
  await Promise.all(
    nodes.map(async ({ url }) => {
      const answer = await fetch(`${url}/v2/images/${ID}/file`);
      expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), bytes)).toBe(0);
    }),
  );
  const hosts: LoggedMember[] = [];
  for (const [i, node] of nodes.entries()) hosts.push(await loggedMember(node, names[i] ?? '', 'node', 0));
  const members = [await loggedMember(seeder, 'seeder', 'seeder', 1), ...hosts];

  for (const { log } of hosts) {
    expect(log?.fetched).toMatchObject([{ image: ID, via: 'gateway', ok: true }]);
    expect(log?.fetched[0]?.began).toBeGreaterThan(startMs);
  }
  const sources = sourcesByHost(hosts, members);
  for (const one of sources) expect(one.local + one.peer + one.seeder + one.origin).toBe(bytes.length);
  expect(sources.reduce((sum, { seeder: given, origin }) => sum + given + origin, 0)).toBeGreaterThanOrEqual(
    bytes.length,
  );
  expect(sources.some(({ seeder: given }) => given > 0)).toBe(true);

  const rates = { linkBytesPerSecond: 125e6, originBytesPerSecond: 125e6 };
  for (const host of hosts) {
    const words = criticalPath({ startMs, ...rates, boundSeconds: 0.01, members }, host).join('\n');
    expect(words).toMatch(/Its last piece was \d+ of pack [0-9a-f]{8}…/);
    expect(words).toContain('Seeder had it from the start.');
    expect(words).toMatch(/Of the .* of its fetch: \d+ %/);
  }
}, 60_000);
