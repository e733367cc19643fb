// How fast are requests between two nodes, and what do they cost?
// `node --conditions=source benchmarks/swarm/network.ts [--streams N] [--mib N] [--answer-kib N] [--part-kib N] [--runs N]`
// Two processes on loopback; one asks, the other answers from memory. Prints one JSON line, CPU per side.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createIdentity, createLibp2pNetwork, generateClusterKey, parseClusterKey } from '@quarry/swarm';
import type { Libp2pNetwork } from '@quarry/swarm';

const PROTOCOL = '/quarry/bench/1';
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '4' },
    mib: { type: 'string', default: '512' },
    'answer-kib': { type: 'string', default: '1024' },
    'part-kib': { type: 'string', default: '128' },
    runs: { type: 'string', default: '5' },
    key: { type: 'string', default: generateClusterKey(systemRandom) },
  },
});
const streams = Number(values.streams);
const answerBytes = Number(values['answer-kib']) * 1024;
const answers = Math.ceil((Number(values.mib) * 2 ** 20) / answerBytes);

async function start(listen: readonly string[]): Promise<Libp2pNetwork> {
  return await createLibp2pNetwork(
    {
      identity: await createIdentity(systemRandom),
      clusterKey: parseClusterKey(values.key),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    },
    { listen, sendPartBytes: Number(values['part-kib']) * 1024, maxStreamsPerPeer: streams },
  );
}

async function answerUntilAlone(send: (message: unknown) => void): Promise<void> {
  const node = await start(['/ip4/127.0.0.1/tcp/0']);
  const answer = systemRandom.bytes(answerBytes);
  node.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => answer);
  process.on('message', () => send(process.cpuUsage()));
  process.on('disconnect', () => void node.close());
  send(node.addresses()[0]);
}

const cpuSeconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;
const median = (numbers: number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

async function ask(): Promise<void> {
  const child = fork(import.meta.filename, [...process.argv.slice(2), `--key=${values.key}`]);
  const [address] = (await once(child, 'message')) as [string];
  const node = await start([]);
  const peer = await node.dialAddress(address);
  const childCpu = async (): Promise<number> => {
    child.send('cpu');
    const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
    return cpuSeconds(usage);
  };
  const run = async (): Promise<{ mbPerSecond: number; receiver: number; sender: number }> => {
    let left = answers;
    const sentFrom = await childCpu();
    const [startMs, receivedFrom] = [systemClock.now(), cpuSeconds(process.cpuUsage())];
    await Promise.all(
      Array.from({ length: streams }, async () => {
        while (left-- > 0) await node.request(peer, PROTOCOL, new Uint8Array(32), { maxBytes: answerBytes });
      }),
    );
    const seconds = (systemClock.now() - startMs) / 1000;
    const gb = (answers * answerBytes) / 1e9;
    return {
      mbPerSecond: (gb * 1000) / seconds,
      receiver: (cpuSeconds(process.cpuUsage()) - receivedFrom) / gb,
      sender: ((await childCpu()) - sentFrom) / gb,
    };
  };
  await run(); // warm
  const runs = [];
  for (let i = 0; i < Number(values.runs); i += 1) runs.push(await run());
  const round = (number: number): number => Math.round(number * 100) / 100;
  console.log(
    JSON.stringify({
      bench: 'swarm/network',
      node: process.version,
      streams,
      answerKib: answerBytes / 1024,
      partKib: Number(values['part-kib']),
      runs: runs.length,
      mbPerSecond: Math.round(median(runs.map(({ mbPerSecond }) => mbPerSecond))),
      bestMbPerSecond: Math.round(Math.max(...runs.map(({ mbPerSecond }) => mbPerSecond))),
      receiverCpuSecondsPerGb: round(median(runs.map(({ receiver }) => receiver))),
      senderCpuSecondsPerGb: round(median(runs.map(({ sender }) => sender))),
      rssMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
    }),
  );
  child.disconnect();
  await node.close();
}

if (process.send) await answerUntilAlone(process.send.bind(process));
else await ask();
