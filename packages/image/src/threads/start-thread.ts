import { Worker } from 'node:worker_threads';

/** The entry of each thread of this package. All threads are begun here, so that whoever bundles has one place to look at. */
export type ThreadScript = 'compute-worker' | 'hash-worker';

/** Run from source this file's neighbours are TypeScript; compiled, or bundled with the entries beside the bundle, they are not. */
const scripts: Readonly<Record<ThreadScript, () => URL>> = import.meta.url.endsWith('.ts')
  ? {
      'compute-worker': () => new URL('./compute-worker.ts', import.meta.url),
      'hash-worker': () => new URL('./hash-worker.ts', import.meta.url),
    }
  : {
      'compute-worker': () => new URL('./compute-worker.js', import.meta.url),
      'hash-worker': () => new URL('./hash-worker.js', import.meta.url),
    };

export function startThread(script: ThreadScript, workerData?: unknown): Worker {
  return new Worker(scripts[script](), { workerData, name: script });
}
