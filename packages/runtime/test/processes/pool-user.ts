// Has one task done on another thread, says so and ends by itself.
import { Worker } from 'node:worker_threads';
import { createThreadPool } from '../../src/thread-pool.ts';

const pool = createThreadPool({
  start: () => new Worker(new URL('./any-thread.ts', import.meta.url)),
  maxThreads: 1,
  diedError: () => new Error('died'),
});
console.log(await pool.run({ say: 'done' }));
