// Private images on the real network: identities of nodes, gossip and requests on loopback.
import { decodeImageRecord, encodeImageRecord } from '@quarry/content';
import type { ImageKey } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import type { MemoryImageCatalog } from '@quarry/content/memory';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createSwarm } from '../../src/create-swarm.ts';
import type { QuarrySwarm } from '../../src/create-swarm.ts';
import { createIdentity } from '../../src/network/identity.ts';
import type { Identity } from '../../src/network/identity.ts';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import { startNode, until } from '../network/nodes.ts';
import { imageOf, recordOf } from './private-world.ts';

interface RealMember {
  readonly identity: Identity;
  readonly network: Libp2pNetwork;
  readonly catalog: MemoryImageCatalog;
  readonly swarm: QuarrySwarm;
  readonly withdrawn: ImageKey[];
}

async function start(bootstrap: readonly string[], options: ChosenSwarmOptions = {}): Promise<RealMember> {
  const identity = await createIdentity(systemRandom);
  const network = await startNode({ bootstrap: [...bootstrap] }, { identity });
  const catalog = createMemoryImageCatalog();
  const withdrawn: ImageKey[] = [];
  const swarm = createSwarm(
    {
      network,
      store: createMemoryPackStore(),
      catalog,
      signer: identity,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    },
    { onWithdrawn: (_ref, key) => withdrawn.push(key), ...options },
  );
  onTestFinished(() => swarm.close());
  await swarm.start();
  return { identity, network, catalog, swarm, withdrawn };
}

test('a private image is announced, found with its key, had from publisher and seeder, and gone when it is withdrawn', async () => {
  const seeder = await start([], { role: 'seeder' });
  const bootstrap = seeder.network.addresses();
  const [publisher, asker] = [await start(bootstrap), await start(bootstrap)];
  const all = [seeder, publisher, asker];
  await until(() => all.every(({ swarm }) => swarm.figures().peers === 2));

  const image = imageOf('c0ffee00-0000-4000-8000-000000000001');
  const record = decodeImageRecord(encodeImageRecord(await recordOf(image, publisher.identity)));
  await publisher.catalog.putManifest(image.manifest);
  await publisher.catalog.putRecord(record);
  await until(() => asker.swarm.figures().images.here === 1);

  const { ref, ...known } = image.key;
  expect(await asker.swarm.findRecords(ref)).toEqual([]);
  expect(await asker.swarm.findManifest(image.manifest.id)).toBeUndefined();
  expect(await asker.swarm.findRecords(ref, known)).toEqual([record]);
  expect(await asker.swarm.findManifest(image.manifest.id)).toEqual(image.manifest);

  await seeder.catalog.putManifest(image.manifest);
  await seeder.catalog.putRecord(record);
  await publisher.swarm.close();
  await publisher.network.close();
  await until(() => asker.swarm.figures().peers === 1);
  expect(await asker.swarm.findRecords(ref, known)).toEqual([record]);
  expect(await asker.swarm.findManifest(image.manifest.id)).toEqual(image.manifest);

  await asker.swarm.withdraw(image.key);
  await until(() => seeder.withdrawn.length === 1);
  expect(seeder.withdrawn).toEqual([image.key]);
  expect(await asker.swarm.findRecords(ref, known)).toEqual([]);
});
