import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { once } from 'node:events';
import type { Place } from '../../src/storm-network.ts';

/** Starts a line of JavaScript in a place; `process.argv[1]` and on are the arguments. */
export function startInPlace(
  place: Place,
  script: string,
  ...args: readonly string[]
): ChildProcessByStdio<null, Readable, null> {
  const [command = '', ...rest] = place.prefix;
  return spawn(command, [...rest, process.execPath, '-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** All that it says until it ends. */
export async function wordsOf(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  let words = '';
  child.stdout.on('data', (data: Buffer) => (words += data.toString()));
  await once(child, 'close');
  return words.trim();
}

/** Nobody listens there: who reaches the other is refused at once, who does not hears nothing. */
export async function canReach(from: Place, to: Place): Promise<boolean> {
  const script = `
    const socket = require('node:net').connect(9, process.argv[1]);
    socket.on('error', (error) => { console.log(error.code); process.exit(); });
    setTimeout(() => { console.log('silence'); process.exit(); }, 1500);`;
  const word = await wordsOf(startInPlace(from, script, to.address));
  if (word !== 'ECONNREFUSED' && word !== 'silence') throw new Error(`${from.name} → ${to.name}: ${word}`);
  return word === 'ECONNREFUSED';
}

/** Sends so many bytes over one connection; resolves with how many came. */
export async function transfer(from: Place, to: Place, bytes: number): Promise<number> {
  const receiver = startInPlace(
    to,
    `let came = 0;
     require('node:net').createServer((socket) => {
       socket.on('data', (data) => (came += data.length));
       socket.on('end', () => { console.log(came); process.exit(); });
     }).listen(4712, () => console.log('ready'));`,
  );
  const words = wordsOf(receiver);
  await once(receiver.stdout, 'data');
  const sender = startInPlace(
    from,
    `require('node:net').connect(4712, process.argv[1]).end(Buffer.alloc(Number(process.argv[2])));`,
    to.address,
    String(bytes),
  );
  const [found] = await Promise.all([words, wordsOf(sender)]);
  return Number(found.split('\n').at(-1));
}

/** Sends over four connections to each until it is stopped. Resolves when each has had something. */
export async function sendWithoutEnd(from: Place, to: readonly Place[]): Promise<() => Promise<void>> {
  const receivers = to.map((place) =>
    startInPlace(
      place,
      `require('node:net').createServer((socket) => {
         socket.on('error', () => {});
         socket.once('data', () => console.log('came'));
         socket.resume();
       }).listen(4713, () => console.log('ready'));`,
    ),
  );
  await Promise.all(receivers.map(({ stdout }) => once(stdout, 'data')));
  const sender = startInPlace(
    from,
    `const block = Buffer.alloc(65536);
     for (const address of process.argv.slice(1))
       for (let stream = 0; stream < 4; stream += 1) {
         const socket = require('node:net').connect(4713, address);
         const fill = () => { while (socket.write(block)); };
         socket.on('connect', fill).on('drain', fill);
       }`,
    ...to.map(({ address }) => address),
  );
  await Promise.all(receivers.map(({ stdout }) => once(stdout, 'data')));
  return async () => {
    const ends = [sender, ...receivers].map((child) => once(child, 'close'));
    for (const child of [sender, ...receivers]) child.kill('SIGKILL');
    await Promise.all(ends);
  };
}
