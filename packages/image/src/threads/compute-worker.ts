// A thread behind createCompute: takes { id, task }, answers { id, reply } or { id, error }, and says 'ready' first.
import { parentPort } from 'node:worker_threads';
import { perform } from './compute-tasks.ts';
import type { ComputeTask } from './compute-tasks.ts';

const port = parentPort;
if (!port) throw new TypeError('compute-worker runs as a worker thread only');

port.on('message', ({ id, task }: { readonly id: number; readonly task: ComputeTask }) => {
  void answer(id, task);
});
port.postMessage('ready');

async function answer(id: number, task: ComputeTask): Promise<void> {
  try {
    const reply = await perform(task);
    const buffer =
      reply instanceof Uint8Array && reply.byteLength === reply.buffer.byteLength ? reply.buffer : undefined;
    port?.postMessage({ id, reply }, buffer instanceof ArrayBuffer ? [buffer] : []);
  } catch (error) {
    port?.postMessage({ id, error });
  }
}
