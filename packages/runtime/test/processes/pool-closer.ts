// Closes pools whose only thread is still starting, and says when that has ended: nothing else keeps this process alive.
import { Worker } from 'node:worker_threads';
import { createThreadPool } from '../../src/thread-pool.ts';

const ROUNDS = 20;
for (let round = 0; round < ROUNDS; round += 1) {
  let worker: Worker | undefined;
  const pool = createThreadPool({
    start: () => (worker = new Worker(new URL('./any-thread.ts', import.meta.url))),
    maxThreads: 1,
    diedError: () => new Error('died'),
  });
  void pool.warmUp();
  // just before the pool hears that the thread is ready, and rests it
  await new Promise<void>((resolve) => worker?.prependOnceListener('message', () => resolve()));
  await pool.close();
}
console.log('closed');
