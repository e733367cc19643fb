// A thread of the pool's tests: does what each task says.
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', ({ id, task }: { readonly id: number; readonly task: { readonly say: unknown } }) => {
  if (task.say === 'exit') process.exit(3);
  if (task.say === 'throw') throw new Error('thrown in the thread');
  if (task.say === 'fail') parentPort?.postMessage({ id, error: new Error('this task only') });
  else parentPort?.postMessage({ id, reply: task.say });
});
parentPort?.postMessage('ready');
