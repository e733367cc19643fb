// One side of `npm run bench -- limits`: a node with sockets of its own, on loopback, with its store in memory.
import { createPackDescriptor, digestOf, fullChunkSet, publicDomain, sealPiece } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import { createSeededRandom, silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import {
  bulkProtocols,
  createBulkNetwork,
  createIdentity,
  createLibp2pNetwork,
  createSwarm,
  parseClusterKey,
} from '@quarry/swarm';
import type { Libp2pNetwork } from '@quarry/swarm';

export interface LimitsTask {
  readonly carrier: 'libp2p' | 'tls';
  readonly clusterKey: string;
  /** Of the sender, for who receives. */
  readonly address: string | undefined;
  readonly uploadBytesPerSecond: number | null;
  readonly downloadBytesPerSecond: number | null;
  /** Measured from the first on, for as long as the second says. */
  readonly afterMs: number;
  readonly forMs: number;
}

export interface LimitsMeasured {
  readonly bytes: number;
  readonly ms: number;
  readonly cpuMs: number;
}

const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 4096;

/** 256 MiB, each chunk another. */
function packOf(): { readonly descriptor: PackDescriptor; readonly chunk: (i: number) => Buffer } {
  const noise = createSeededRandom(1).bytes(CHUNK_BYTES);
  const chunk = (i: number): Buffer => {
    const bytes = Buffer.from(noise);
    bytes.writeUInt32LE(i, 0);
    return bytes;
  };
  const digests = Buffer.concat(Array.from({ length: CHUNKS }, (_, i) => digestOf(chunk(i))));
  const lengths = Array.from({ length: CHUNKS }, () => CHUNK_BYTES);
  return { descriptor: createPackDescriptor({ domain: publicDomain, digests, lengths }), chunk };
}

async function startNetwork({ carrier, clusterKey }: LimitsTask): Promise<Libp2pNetwork> {
  const deps = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const identity = await createIdentity(systemRandom);
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const libp2p = await createLibp2pNetwork({ ...deps, identity, clusterKey: parseClusterKey(clusterKey) }, { listen });
  if (carrier === 'libp2p') return libp2p;
  return await createBulkNetwork(libp2p, deps, { mode: 'tls', protocols: bulkProtocols, listen });
}

async function main(task: LimitsTask): Promise<void> {
  const network = await startNetwork(task);
  const store = createMemoryPackStore();
  const { descriptor, chunk } = packOf();
  await store.addPack(descriptor);
  const isSender = task.address === undefined;
  for (let piece = 0; isSender && piece < descriptor.pieceCount; piece += 1) {
    const first = piece * descriptor.chunksPerPiece;
    const chunks = Array.from({ length: descriptor.chunksPerPiece }, (_, i) => chunk(first + i));
    await store.writePiece(sealPiece(descriptor, piece, Buffer.concat(chunks)));
  }
  const base = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const swarm = createSwarm(
    { ...base, network, store, catalog: createMemoryImageCatalog() },
    {
      role: isSender ? 'seeder' : 'node',
      uploadBytesPerSecond: task.uploadBytesPerSecond ?? Infinity,
      downloadBytesPerSecond: task.downloadBytesPerSecond ?? Infinity,
    },
  );
  await swarm.start();
  process.on('disconnect', () => process.exit());
  if (task.address === undefined) {
    process.on('message', (rate: number | 'unlimited') => {
      swarm.setRates({ uploadBytesPerSecond: rate === 'unlimited' ? Infinity : rate });
      process.send?.('set');
    });
    process.send?.(network.addresses()[0]);
    return;
  }
  const [, peer = ''] = task.address.split('/p2p/');
  await network.dial(peer as typeof network.peerId, [task.address]);
  while (swarm.figures().peers === 0) await systemClock.sleep(5);
  const leaving = new AbortController();
  const fetching = swarm.fetch([{ pack: descriptor.id, chunks: fullChunkSet(CHUNKS) }], { signal: leaving.signal });
  fetching.catch(() => {});
  while (swarm.figures().receivedByEncoding.plain === 0) await systemClock.sleep(1);
  await systemClock.sleep(task.afterMs);
  const [bytes, ms, cpu] = [network.traffic().receivedBytes, systemClock.now(), process.cpuUsage()];
  await systemClock.sleep(task.forMs);
  const used = process.cpuUsage(cpu);
  const measured: LimitsMeasured = {
    bytes: network.traffic().receivedBytes - bytes,
    ms: systemClock.now() - ms,
    cpuMs: (used.user + used.system) / 1000,
  };
  leaving.abort();
  process.send?.(measured);
}

process.once('message', (task: LimitsTask) => void main(task));
