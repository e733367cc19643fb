import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createLifecycle, systemClock } from '@quarry/runtime';
import { afterEach, expect, it } from 'vitest';
import { createStormNetwork } from '../../src/network/create-storm-network.ts';
import type { NetworkNeeds } from '../../src/network/network-plan.ts';
import type { Place, StormNetwork } from '../../src/storm-network.ts';
import { describeWithNetwork } from './describe-with-network.ts';

const MBIT = 1e6 / 8;

describeWithNetwork('a network of namespaces', () => {
  const lifecycles: ReturnType<typeof createLifecycle>[] = [];
  afterEach(async () => {
    for (const lifecycle of lifecycles.splice(0)) await lifecycle.close();
  });
  const make = async (storm: NetworkNeeds): Promise<StormNetwork> => {
    const lifecycle = createLifecycle();
    lifecycles.push(lifecycle);
    return await createStormNetwork({ clock: systemClock, lifecycle }, { storm, signal: lifecycle.signal });
  };

  it('has links as fast as the storm says, in both directions', { timeout: 30_000 }, async ({ signal }) => {
    const network = await make(stormOf({ zones: [2], mbit: 20, originMbit: 60 }));
    await network.shape({ signal });
    const found = await network.calibrate({ signal });
    expect(found.map(({ link }) => link)).toEqual(['host-0 down', 'host-0 up', 'origin up']);
    for (const { setBytesPerSecond, measuredBytesPerSecond } of found) {
      expect(measuredBytesPerSecond / setBytesPerSecond).toBeGreaterThan(0.9);
      expect(measuredBytesPerSecond / setBytesPerSecond).toBeLessThan(1.1);
    }
  });

  it('cuts hosts off from all others, which still reach each other, and heals', { timeout: 30_000 }, async ({
    signal,
  }) => {
    const network = await make(stormOf({ zones: [2, 2], mbit: 20, originMbit: 60 }));
    const [a, b, c, d] = network.hosts as readonly [Place, Place, Place, Place];
    const reached = async (): Promise<unknown> => ({
      inside: await canReach(a, d),
      outside: await canReach(b, c),
      across: await canReach(a, b),
      back: await canReach(c, d),
      store: await canReach(a, network.origin),
      storeOfOthers: await canReach(b, network.origin),
    });
    const all = { inside: true, outside: true, across: true, back: true, store: true, storeOfOthers: true };
    expect(await reached()).toEqual(all);
    await network.setCutOff([3, 0], true, { signal });
    expect(await reached()).toEqual({ ...all, across: false, back: false, store: false });
    await network.setCutOff([0, 3], false, { signal });
    expect(await reached()).toEqual(all);
  });
});

function stormOf(options: {
  readonly zones: readonly number[];
  readonly mbit: number;
  readonly originMbit: number;
}): NetworkNeeds {
  const rate = options.mbit * MBIT;
  let number = 0;
  return {
    hosts: options.zones.flatMap((hosts, zone) =>
      Array.from({ length: hosts }, () => ({
        name: `host-${number++}`,
        zone,
        upBytesPerSecond: rate,
        downBytesPerSecond: rate,
        diskWriteBytesPerSecond: Infinity,
      })),
    ),
    zones: options.zones.map((_, zone) => ({
      name: `zone-${zone}`,
      upBytesPerSecond: Infinity,
      downBytesPerSecond: Infinity,
    })),
    origin: {
      bytesPerSecond: options.originMbit * MBIT,
      seeders: 1,
      isReadable: true,
      readDelayMs: 0,
      budgetBytesPerSecond: Infinity,
      budgetReads: 8,
    },
  };
}

/** Nobody listens there: who reaches the other is refused at once, who does not hears nothing for a while. */
async function canReach(from: Place, to: Place): Promise<boolean> {
  const script = `
    const socket = require('node:net').connect(9, process.argv[1]);
    socket.on('error', (error) => { console.log(error.code); process.exit(); });
    setTimeout(() => { console.log('silence'); process.exit(); }, 700);`;
  const [command = '', ...args] = from.prefix;
  const child = spawn(command, [...args, process.execPath, '-e', script, to.address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let words = '';
  child.stdout.on('data', (data: Buffer) => (words += data.toString()));
  await once(child, 'close');
  const word = words.trim();
  if (word !== 'ECONNREFUSED' && word !== 'silence') throw new Error(`${from.name} → ${to.name}: ${word}`);
  return word === 'ECONNREFUSED';
}
