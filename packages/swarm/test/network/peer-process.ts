// A node in a process of its own, for what cannot be done to one in ours: `node peer-process.ts <cluster key> [tls | plain]` prints its address, then
// answers each request with a mebibyte until it is killed.
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createBulkNetwork } from '../../src/bulk/create-bulk-network.ts';
import { parseClusterKey } from '../../src/network/cluster-key.ts';
import { createIdentity } from '../../src/network/identity.ts';
import { createLibp2pNetwork } from '../../src/network/libp2p-network.ts';

const deps = { clock: systemClock, random: systemRandom, logger: silentLogger };
const PROTOCOL = '/quarry/test/1';
const listen = ['/ip4/127.0.0.1/tcp/0'];
const mode = process.argv[3];

const libp2p = await createLibp2pNetwork(
  { ...deps, identity: await createIdentity(systemRandom), clusterKey: parseClusterKey(process.argv[2] ?? '') },
  { listen },
);
const node =
  mode === 'tls' || mode === 'plain'
    ? await createBulkNetwork(libp2p, deps, { mode, protocols: [PROTOCOL], listen })
    : libp2p;
node.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => new Uint8Array(1024 * 1024));
console.log(node.addresses()[0]);
