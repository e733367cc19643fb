// The thread behind createImageHasher. Takes { bytes } or { zeros }, gives each buffer back when it is hashed, and at { finish } the digest.
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

const port = parentPort;
if (!port) throw new TypeError('hash-worker runs as a worker thread only');
const { algorithm } = workerData as { readonly algorithm: string };
const hash = createHash(algorithm);
const zeros = new Uint8Array(1024 * 1024);

type Message =
  | { readonly bytes: ArrayBuffer; readonly length: number }
  | { readonly zeros: number }
  | { readonly finish: true };

port.on('message', (message: Message) => {
  if ('bytes' in message) {
    hash.update(new Uint8Array(message.bytes, 0, message.length));
    port.postMessage({ buffer: message.bytes }, [message.bytes]);
  } else if ('zeros' in message) {
    for (let rest = message.zeros; rest > 0; rest -= zeros.length)
      hash.update(zeros.subarray(0, Math.min(rest, zeros.length)));
    port.postMessage({ buffer: undefined });
  } else {
    port.postMessage({ digest: hash.digest('hex') });
    port.close();
  }
});
