/** A harness that will be killed: makes a network with a run directory, starts processes in it, says where all of it is, and hangs. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLifecycle, systemClock } from '@quarry/runtime';
import { createStormNetwork } from '../../src/network/create-storm-network.ts';
import { stormOf } from './storm-of.ts';

const [directory = ''] = process.argv.slice(2);
await writeFile(join(directory, 'something'), 'of the run');
const lifecycle = createLifecycle();
const storm = stormOf({ zones: [2], mbit: 20, originMbit: 20 });
const network = await createStormNetwork(
  { clock: systemClock, lifecycle },
  { storm, signal: lifecycle.signal, runDirectory: directory },
);
const [command = '', ...prefix] = network.hosts[0]?.prefix ?? [];
const own = spawn(command, [...prefix, 'sleep', '1000'], { stdio: 'ignore' });
// A process that is not ours but our child's: nobody tells it that we die.
const shell = spawn(command, [...prefix, 'sh', '-c', 'sleep 1001 & echo $!; wait'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
shell.stdout.once('data', (data: Buffer) => {
  console.log(
    JSON.stringify({ place: network.hosts[0], own: own.pid, shell: shell.pid, grandchild: Number(data.toString()) }),
  );
});
