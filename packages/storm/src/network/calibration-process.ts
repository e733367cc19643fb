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
  let isMeasuring = false;
  let isToBeSampled = false;
  const line = createLine();
  // Once for all that has come meanwhile: a process that was kept waiting finds a lot at once, and only when it has taken all of it is it where it should be.
  const sample = (): void => {
    isToBeSampled = false;
    if (isMeasuring) line.add(systemClock.now() / 1000, bytes);
  };
  const server = createServer((socket) => {
    socket.on('data', (data) => {
      bytes += data.length;
      if (isToBeSampled) return;
      isToBeSampled = true;
      setImmediate(sample);
    });
    socket.on('error', () => {}); // the sender is killed
  });
  const isSending = new Promise((resolve) => server.once('connection', resolve));
  server.listen(port, () => console.log('ready'));
  await isSending;
  await systemClock.sleep(warmUpMs);
  isMeasuring = true;
  await systemClock.sleep(measureMs);
  console.log(String(line.slope()));
  process.exit(0);
}

/** The straight line that fits best: a late look at the end or at the beginning does not change its slope. */
function createLine(): { add(x: number, y: number): void; slope(): number } {
  const points: { readonly x: number; readonly y: number }[] = [];
  return {
    add: (x, y) => void points.push({ x, y }),
    slope() {
      const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length;
      const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length;
      const rise = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
      return rise / points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
    },
  };
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
