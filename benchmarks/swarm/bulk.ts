// What do the carriers of requests cost, beside a bare socket?
// `node --conditions=source benchmarks/swarm/bulk.ts [--streams N] [--mib N] [--answer-kib N] [--part-kib N] [--runs N] [--only a,b]`
// Two processes on loopback; one asks, the other answers from memory. The carriers take turns; one JSON line each, CPU per side.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { parseArgs } from 'node:util';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import {
  createBulkNetwork,
  createIdentity,
  createLibp2pNetwork,
  generateClusterKey,
  parseClusterKey,
} from '@quarry/swarm';
import type { Libp2pNetwork } from '@quarry/swarm';

const carriers = ['bare tcp', 'bare tls', 'libp2p', 'tls', 'plain'] as const;
type Carrier = (typeof carriers)[number];

const PROTOCOL = '/quarry/bench/1';
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '1' },
    mib: { type: 'string', default: '256' },
    'answer-kib': { type: 'string', default: '1024' },
    'part-kib': { type: 'string', default: '256' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: carriers.join(',') },
    key: { type: 'string', default: generateClusterKey(systemRandom) },
    carrier: { type: 'string' },
  },
});
const streams = Number(values.streams);
const answerBytes = Number(values['answer-kib']) * 1024;
const partBytes = Number(values['part-kib']) * 1024;
const answers = Math.ceil((Number(values.mib) * 2 ** 20) / answerBytes);
const bareKey = { identity: 'bench', psk: Buffer.alloc(32, 7) };
const bareTls = { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' } as const;

async function startNetwork(carrier: Carrier, listen: readonly string[]): Promise<Libp2pNetwork> {
  const deps = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const libp2p = await createLibp2pNetwork(
    { ...deps, identity: await createIdentity(systemRandom), clusterKey: parseClusterKey(values.key) },
    { listen, maxStreamsPerPeer: streams },
  );
  if (carrier !== 'tls' && carrier !== 'plain') return libp2p;
  return await createBulkNetwork(libp2p, deps, {
    mode: carrier,
    protocols: [PROTOCOL],
    listen,
    maxConnectionsPerPeer: streams,
    sendPartBytes: partBytes,
  });
}

/** The other side of every carrier. A bare socket is sent one answer for each byte that it sends. */
async function answerUntilAlone(carrier: Carrier, send: (message: unknown) => void): Promise<void> {
  const answer = systemRandom.bytes(answerBytes);
  process.on('message', () => send(process.cpuUsage()));
  if (!carrier.startsWith('bare')) {
    const node = await startNetwork(carrier, ['/ip4/127.0.0.1/tcp/0']);
    node.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => answer);
    process.on('disconnect', () => void node.close());
    return send(node.addresses()[0]);
  }
  const onSocket = (socket: Socket): void => {
    socket.on('error', () => {});
    socket.on('data', (asks: Buffer) => {
      for (let i = 0; i < asks.length; i += 1) {
        for (let at = 0; at < answerBytes; at += partBytes) socket.write(answer.subarray(at, at + partBytes));
      }
    });
  };
  const server =
    carrier === 'bare tcp'
      ? createTcpServer({ noDelay: true }, onSocket)
      : createTlsServer({ ...bareTls, noDelay: true, pskCallback: () => bareKey.psk }, onSocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.on('disconnect', () => process.exit());
  send(`${(server.address() as AddressInfo).port}`);
}

interface Asker {
  ask(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Asks for one answer after the other on each of so many bare sockets. */
async function askBare(carrier: Carrier, port: number): Promise<Asker> {
  const sockets: Socket[] = [];
  const open = async (): Promise<() => Promise<void>> => {
    const target = Buffer.allocUnsafeSlow(answerBytes);
    let filled = 0;
    let done = (): void => {};
    const onread = {
      buffer: () => target.subarray(filled % answerBytes),
      callback: (byteLength: number) => {
        filled += byteLength;
        if (filled % answerBytes === 0) done();
        return true;
      },
    };
    const options = { port, host: '127.0.0.1', noDelay: true, onread };
    const socket =
      carrier === 'bare tcp'
        ? connectTcp(options)
        : connectTls({ ...options, ...bareTls, pskCallback: () => bareKey, checkServerIdentity: () => undefined });
    sockets.push(socket);
    await once(socket, carrier === 'bare tcp' ? 'connect' : 'secureConnect');
    return () =>
      new Promise((resolve) => {
        done = resolve;
        socket.write('?');
      });
  };
  const asks = await Promise.all(Array.from({ length: streams }, open));
  return {
    async ask(count) {
      let left = count;
      await Promise.all(
        asks.map(async (ask) => {
          while (left-- > 0) await ask();
        }),
      );
    },
    async close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function askNetwork(carrier: Carrier, address: string): Promise<Asker> {
  const node = await startNetwork(carrier, []);
  const peer = await node.dialAddress(address);
  return {
    async ask(count) {
      let left = count;
      const buffers = Array.from({ length: streams }, () => new Uint8Array(answerBytes));
      await Promise.all(
        buffers.map(async (buffer) => {
          const reused = { take: async () => buffer, give: () => {} };
          while (left-- > 0) {
            await node.request(peer, PROTOCOL, new Uint8Array(35), { maxBytes: answerBytes, buffers: reused });
          }
        }),
      );
    },
    close: () => node.close(),
  };
}

interface Run {
  readonly mbPerSecond: number;
  readonly receiver: number;
  readonly sender: number;
}

const cpuSeconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const round = (number: number): number => Math.round(number * 100) / 100;

async function compare(chosen: readonly Carrier[]): Promise<void> {
  const runners = new Map<Carrier, () => Promise<Run>>();
  const children: ChildProcess[] = [];
  const askers: Asker[] = [];
  for (const carrier of chosen) {
    const child = fork(import.meta.filename, [...process.argv.slice(2), `--key=${values.key}`, `--carrier=${carrier}`]);
    children.push(child);
    const [address] = (await once(child, 'message')) as [string];
    const asker = await (carrier.startsWith('bare') ? askBare(carrier, Number(address)) : askNetwork(carrier, address));
    askers.push(asker);
    const childCpu = async (): Promise<number> => {
      child.send('cpu');
      const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
      return cpuSeconds(usage);
    };
    await asker.ask(Math.min(answers, 64)); // warm
    runners.set(carrier, async () => {
      const sentFrom = await childCpu();
      const [startMs, receivedFrom] = [systemClock.now(), cpuSeconds(process.cpuUsage())];
      await asker.ask(answers);
      const seconds = (systemClock.now() - startMs) / 1000;
      const gb = (answers * answerBytes) / 1e9;
      const receiver = (cpuSeconds(process.cpuUsage()) - receivedFrom) / gb;
      return { mbPerSecond: (gb * 1000) / seconds, receiver, sender: ((await childCpu()) - sentFrom) / gb };
    });
  }
  const runs = new Map<Carrier, Run[]>(chosen.map((carrier) => [carrier, []]));
  for (let i = 0; i < Number(values.runs); i += 1) {
    for (const [carrier, run] of runners) runs.get(carrier)?.push(await run());
  }
  for (const [carrier, all] of runs) {
    console.log(
      JSON.stringify({
        bench: 'swarm/bulk',
        node: process.version,
        carrier,
        streams,
        answerKib: answerBytes / 1024,
        partKib: partBytes / 1024,
        runs: all.length,
        mbPerSecond: Math.round(median(all.map(({ mbPerSecond }) => mbPerSecond))),
        receiverCpuSecondsPerGb: round(median(all.map(({ receiver }) => receiver))),
        senderCpuSecondsPerGb: round(median(all.map(({ sender }) => sender))),
      }),
    );
  }
  await Promise.all(askers.map((asker) => asker.close()));
  for (const child of children) child.disconnect();
}

if (process.send) await answerUntilAlone(values.carrier as Carrier, process.send.bind(process));
else await compare(carriers.filter((carrier) => values.only.split(',').includes(carrier)));
