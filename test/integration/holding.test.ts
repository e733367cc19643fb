// Images where an operator wants them, and gone where he does not: `quarry prefetch` and `quarry purge` among real daemons.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSeededRandom } from '@quarry/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCluster, runQuarry } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

const IMAGE_BYTES = 6 * 2 ** 20;

let cluster: Cluster;
let seeder: Member;
let nodes: readonly Member[];
const at = (...path: string[]): string => join(cluster.root, ...path);
const quarry = (member: Member, ...words: string[]): ReturnType<typeof runQuarry> =>
  runQuarry([...words, '--json', '--socket', join(member.directory, 'control.sock')]);
const presentBytes = async (member: Member): Promise<number> => (await member.client.status()).store.presentBytes;
const sentBytes = async (): Promise<number> =>
  Number(/^quarry_sent_plain_bytes_total (\d+)/m.exec(await seeder.client.metrics())?.[1] ?? Number.NaN);

/** Until it is so; the test's own limit ends it. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 100));
}

beforeAll(async () => {
  cluster = await createCluster();
  await mkdir(at('store'));
  const random = createSeededRandom(23);
  for (const name of ['base', 'other']) await writeFile(at('store', name), random.bytes(IMAGE_BYTES));
  seeder = await cluster.startSeeder([at('store')]);
  const start = (name: string, zone: string): Promise<Member> =>
    cluster.startNode(name, ['--bootstrap', seeder.address, '--trust', seeder.id, '--zone', zone]);
  nodes = await Promise.all([start('n1', 'a'), start('n2', 'a'), start('n3', 'b')]);
  await eventually(async () => (await seeder.client.status()).members === 4);
});
afterAll(() => cluster.stop());

test('an image goes to the nodes of a zone, each piece once over the store’s link, and a second time nothing goes', async () => {
  const [n1, n2, n3] = nodes as [Member, Member, Member];
  const outcome = await quarry(seeder, 'prefetch', 'base', '--to-zone', 'a');
  expect(outcome).toMatchObject({ code: 0, err: '' });
  const { nodes: reached, coverage } = JSON.parse(outcome.out);
  expect(reached.map((node: { peer: string; state: string }) => [node.peer, node.state]).toSorted()).toEqual(
    [n1.id, n2.id].toSorted().map((id) => [id, 'complete']),
  );
  expect(coverage).toEqual([{ image: 'base', all: 1, zones: { a: 1 } }]);
  expect(await Promise.all([n1, n2, n3].map(presentBytes))).toEqual([IMAGE_BYTES, IMAGE_BYTES, 0]);
  const sent = await sentBytes();
  expect(sent).toBeLessThanOrEqual(1.02 * IMAGE_BYTES);
  expect((await quarry(seeder, 'prefetch', 'base', '--to-zone', 'a')).code).toBe(0);
  expect(await sentBytes()).toBe(sent);
  const { bytesBySource } = await n2.client.fetch({ image: 'base', destination: at('base') });
  expect(bytesBySource).toEqual({ local: IMAGE_BYTES, peer: 0, seeder: 0, origin: 0 });
});

test('a node or zone that is not there is named, with those that are', async () => {
  const outcome = await quarry(seeder, 'prefetch', 'base', '--to-zone', 'attic');
  expect(outcome.code).toBe(2);
  const { error } = JSON.parse(outcome.err);
  expect(error.message).toContain('attic');
  expect(error.message).toContain(nodes[0]?.id);
  expect((await quarry(seeder, 'prefetch', 'nowhere.img')).code).toBe(3);
  expect((await quarry(seeder, 'prefetch', 'base', '--percent', '101')).code).toBe(2);
});

test('a purge on one host is of that host, a purge of the cluster reaches every member', async () => {
  const [n1, n2, n3] = nodes as [Member, Member, Member];
  expect((await quarry(seeder, 'prefetch', 'base', 'other', '--to-node', n1.id, '--to-node', n3.id)).code).toBe(0);
  expect(await Promise.all([n1, n2, n3].map(presentBytes))).toEqual([2 * IMAGE_BYTES, IMAGE_BYTES, 2 * IMAGE_BYTES]);
  const here = await quarry(n3, 'purge', 'other');
  expect(here.code).toBe(0);
  expect(JSON.parse(here.out)).toMatchObject({ images: ['other'], bytes: IMAGE_BYTES, told: 0 });
  expect(await Promise.all([n1, n2, n3].map(presentBytes))).toEqual([2 * IMAGE_BYTES, IMAGE_BYTES, IMAGE_BYTES]);
  expect((await quarry(n3, 'purge', 'other')).code).toBe(3);
  const everywhere = await quarry(n1, 'purge', 'all', '--cluster');
  expect(JSON.parse(everywhere.out)).toMatchObject({ images: ['base', 'other'], bytes: 2 * IMAGE_BYTES });
  expect(await presentBytes(n1)).toBe(0);
}, 60_000);
