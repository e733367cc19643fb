import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { systemRandom } from '@quarry/runtime';
import { generateClusterKey } from '@quarry/swarm';
import { median, reportOf, rounded } from '../bench.ts';
import type { Bench, BenchOptions, Result } from '../bench.ts';
import type { LimitsMeasured, LimitsTask } from './limits-process.ts';

const RATES = [1e6, 10e6, 100e6];
/** A window of yamux (256 KiB) opens at once: over two seconds of 1 MB/s that alone would be a tenth. */
const SLOW = { rate: 2e6, forMs: 5000 };
const carriers = ['libp2p', 'tls'] as const;
const SCRIPT = new URL('limits-process.ts', import.meta.url);

/** How well rate limits are kept: bytes that arrive at a receiver's sockets in some seconds, when either side is limited; one sender, two processes. */
export const limits: Bench = {
  about: 'how exactly rate limits are kept, by who receives, over real sockets',
  parts: carriers,
  async run(options) {
    const errors = new Map<string, number[]>();
    const speeds = new Map<string, number[]>();
    for (const carrier of carriers) {
      if (options.only.length > 0 && !options.only.includes(carrier)) continue;
      for (let round = 0; round < options.runs; round += 1) await measure(carrier, options, errors, speeds);
    }
    const results = [...speeds].map(([name, each]): Result => ({ name, mbPerSecond: rounded(median(each)) }));
    const facts = Object.fromEntries(
      [...errors].map(([name, each]) => [`${name}, worst error in %`, rounded(100 * Math.max(...each.map(Math.abs)))]),
    );
    return reportOf({ results, ratios: {}, notRun: [], facts });
  },
};

async function measure(
  carrier: LimitsTask['carrier'],
  { signal, tell }: BenchOptions,
  errors: Map<string, number[]>,
  speeds: Map<string, number[]>,
): Promise<void> {
  const base = { carrier, clusterKey: generateClusterKey(systemRandom), afterMs: 500, forMs: 2000 };
  const free = { uploadBytesPerSecond: null, downloadBytesPerSecond: null };
  const sender = start({ ...base, ...free, address: undefined });
  try {
    const [address] = (await once(sender, 'message', { signal })) as [string];
    for (const rate of RATES) {
      for (const side of ['sending', 'receiving'] as const) {
        sender.send(side === 'sending' ? rate : 'unlimited');
        await once(sender, 'message', { signal });
        const receiver = start({
          ...base,
          ...free,
          ...(rate < SLOW.rate && { forMs: SLOW.forMs }),
          ...(side === 'receiving' && { downloadBytesPerSecond: rate }),
          address,
        });
        try {
          const [{ bytes, ms }] = (await once(receiver, 'message', { signal })) as [LimitsMeasured];
          const bytesPerSecond = (bytes * 1000) / ms;
          const name = `${carrier}, ${side} at ${rate / 1e6} MB/s`;
          errors.set(name, [...(errors.get(name) ?? []), bytesPerSecond / rate - 1]);
          speeds.set(name, [...(speeds.get(name) ?? []), bytesPerSecond / 1e6]);
          tell(`${name}: ${(100 * (bytesPerSecond / rate - 1)).toFixed(2)} % off`);
        } finally {
          receiver.disconnect();
        }
      }
    }
  } finally {
    sender.disconnect();
  }
}

function start(task: LimitsTask): ChildProcess {
  const child = fork(SCRIPT, { execArgv: ['--conditions=source', '--disable-warning=ExperimentalWarning'] });
  child.send(task);
  return child;
}
