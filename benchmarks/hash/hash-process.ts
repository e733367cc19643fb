// Looks at so many bytes in one way, told by the JSON in the first argument; prints a Sample.
import { systemClock, systemRandom } from '@quarry/runtime';
import { hashed } from './hashed.ts';

export interface HashOrder {
  readonly part: keyof typeof hashed;
  readonly sizeBytes: number;
}

const CHUNK_BYTES = 64 * 2 ** 10;
/** More than a processor's caches hold: in an image no byte comes twice. */
const BUFFER_BYTES = 64 * 2 ** 20;
const WARM_UP_BYTES = 8 * 2 ** 20;

const { part, sizeBytes } = JSON.parse(process.argv[2] ?? '') as HashOrder;
const { content } = hashed[part];
const look = hashed[part].prepare();
const buffer = Buffer.alloc(Math.min(BUFFER_BYTES, sizeBytes));
// Zeros too are written: pages that nobody wrote to are all one page, and that one stays in the cache.
if (content === 'random')
  for (let at = 0; at < buffer.length; at += CHUNK_BYTES) buffer.set(systemRandom.bytes(CHUNK_BYTES), at);
else buffer.fill(1).fill(0);
const run = (bytes: number): void => {
  for (let done = 0; done < bytes; done += CHUNK_BYTES) {
    const at = done % buffer.length;
    look(buffer.subarray(at, at + CHUNK_BYTES));
  }
};

run(Math.min(WARM_UP_BYTES, sizeBytes));
const cpuBefore = process.cpuUsage();
const startMs = systemClock.now();
run(sizeBytes);
const seconds = (systemClock.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const peakRssMiB = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakRssMiB }));
