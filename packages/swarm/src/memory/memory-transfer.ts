import type { Answer, AnswerBuffers } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import type { MemoryLink } from './memory-link.ts';

/** Parts of a flow that have left the sender and not reached the receiver: what a socket buffers. */
const MAX_ON_THE_WAY = 4;

export interface TransferPath {
  /** Where the bytes are put; nothing is written there once the signal has aborted. */
  readonly into?: Uint8Array | undefined;
  readonly pace?: AnswerBuffers['pace'];
  readonly up: MemoryLink;
  readonly down: MemoryLink;
  readonly sliceBytes: number;
  readonly signal: AbortSignal;
  readonly onProgress: (receivedBytes: number) => void;
}

/** Carries an answer from one node's uplink through another's downlink. Resolves to its bytes when all have arrived. */
export async function carry(answer: Answer, path: TransferPath): Promise<Uint8Array> {
  try {
    return await carryParts(answer, path);
  } finally {
    if (!(answer instanceof Uint8Array)) answer.release?.(); // what has left was copied
  }
}

async function carryParts(answer: Answer, path: TransferPath): Promise<Uint8Array> {
  const { byteLength, parts } = answer instanceof Uint8Array ? { byteLength: answer.length, parts: [answer] } : answer;
  const bytes = path.into ?? new Uint8Array(byteLength);
  const arrivals: Promise<void>[] = [];
  let received = 0;
  let at = 0;
  for await (const part of parts) {
    if (at + part.length > byteLength) throw broken('longer');
    for (let from = 0; from < part.length; ) {
      const most = Math.min(path.sliceBytes, part.length - from);
      const slice = part.subarray(from, from + Math.min(most, (await path.pace?.(most, path)) ?? most));
      from += slice.length;
      path.signal.throwIfAborted();
      await new Promise<void>((resolve) => path.up.pass(slice.length, resolve));
      path.signal.throwIfAborted();
      bytes.set(slice, at);
      at += slice.length;
      arrivals.push(
        new Promise((resolve) =>
          path.down.pass(slice.length, () => {
            received += slice.length;
            if (!path.signal.aborted) path.onProgress(received);
            resolve();
          }),
        ),
      );
      if (arrivals.length >= MAX_ON_THE_WAY) await arrivals[arrivals.length - MAX_ON_THE_WAY];
    }
  }
  if (at !== byteLength) throw broken('shorter');
  await Promise.all(arrivals);
  path.signal.throwIfAborted();
  return bytes;
}

function broken(how: string): SwarmError {
  return new SwarmError('SWARM_UNREACHABLE', `the answer is ${how} than it said`, { canRetry: true });
}
