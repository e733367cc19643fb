/**
 * One end of a measurement, in the namespace of its machine: `receive PORT WARM-UP-MS MEASURE-MS` says "ready", then the payload that came each second, and
 * ends; `send ADDRESS PORT STREAMS` sends until it is killed.
 */
import { connect, createServer } from 'node:net';
import { systemClock } from '@quarry/runtime';

const [role, ...args] = process.argv.slice(2);
if (role === 'receive') await receive(Number(args[0]), Number(args[1]), Number(args[2]));
else for (let stream = 0; stream < Number(args[2]); stream += 1) send(String(args[0]), Number(args[1]));

async function receive(port: number, warmUpMs: number, measureMs: number): Promise<void> {
  let bytes = 0;
  const server = createServer((socket) => {
    socket.on('data', (data) => (bytes += data.length));
    socket.on('error', () => {}); // the sender is killed
  });
  const isSending = new Promise((resolve) => server.once('connection', resolve));
  server.listen(port, () => console.log('ready'));
  await isSending;
  await systemClock.sleep(warmUpMs);
  const [startMs, startBytes] = [systemClock.now(), bytes];
  await systemClock.sleep(measureMs);
  const seconds = (systemClock.now() - startMs) / 1000;
  console.log(String((bytes - startBytes) / seconds));
  process.exit(0);
}

function send(address: string, port: number): void {
  const socket = connect(port, address);
  const block = Buffer.alloc(64 << 10);
  const fill = (): void => {
    while (socket.write(block));
  };
  socket.on('connect', fill);
  socket.on('drain', fill);
  socket.on('error', () => process.exit(0)); // the receiver has seen enough
}
