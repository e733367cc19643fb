// A node in a process of its own, for what cannot be done to one in ours: `node peer-process.ts <cluster key>` prints its address, then
// answers each request with a mebibyte until it is killed.
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { parseClusterKey } from '../../src/network/cluster-key.ts';
import { createIdentity } from '../../src/network/identity.ts';
import { createLibp2pNetwork } from '../../src/network/libp2p-network.ts';

const node = await createLibp2pNetwork(
  {
    identity: await createIdentity(systemRandom),
    clusterKey: parseClusterKey(process.argv[2] ?? ''),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  },
  { listen: ['/ip4/127.0.0.1/tcp/0'] },
);
node.handle('/quarry/test/1', { maxRequestBytes: 100 }, async () => new Uint8Array(1024 * 1024));
console.log(node.addresses()[0]);
