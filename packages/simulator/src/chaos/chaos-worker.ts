// A thread of a chaos run: gets seeds, answers each with its outcome.
import { parentPort } from 'node:worker_threads';
import { simulate } from '../world/simulate.ts';
import { runSeed } from './run-seed.ts';

parentPort?.on('message', (seed: number) => {
  void runSeed(simulate, seed).then((outcome) => parentPort?.postMessage(outcome));
});
