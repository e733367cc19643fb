import type { Socket } from 'node:net';
import type { ShapedFlow, Shaper } from './shaper.ts';

export interface Relay {
  /** Ends both sides at once, with a reset: what is cut off must not look whole. */
  close(): void;
}

/** Where bytes wait for their turn, and who counts those that crossed the link. */
export interface RelayDirection {
  readonly shaper: Shaper;
  readonly count: (bytes: number) => void;
}

/** Read from a sender before it is made to wait; covers several timer ticks of a fast link. */
const MAX_QUEUED_BYTES = 1024 * 1024;
const RESUME_QUEUED_BYTES = MAX_QUEUED_BYTES / 2;

/**
 * Passes bytes between two sockets, which both must have been made with `allowHalfOpen`: each direction ends by itself, and an
 * error of either side resets the other. `onClosed` is called once, when both sockets are closed.
 */
export function relay(
  client: Socket,
  target: Socket,
  directions: { readonly upstream: RelayDirection; readonly downstream: RelayDirection },
  onClosed: () => void,
): Relay {
  const pipes = [pipe(client, target, directions.upstream), pipe(target, client, directions.downstream)];
  let openSockets = 2;
  const watch = (socket: Socket, other: Socket): void => {
    socket.on('error', () => {}); // 'close' follows, and says it
    socket.on('close', (hadError) => {
      if (hadError || !socket.readableEnded || !socket.writableFinished) {
        for (const stop of pipes) stop();
        reset(other);
      }
      openSockets -= 1;
      if (openSockets === 0) onClosed();
    });
  };
  watch(client, target);
  watch(target, client);
  return {
    close() {
      for (const stop of pipes) stop();
      for (const socket of [client, target]) {
        reset(socket);
        socket.destroy(); // also one whose receiver does not take the rest
      }
    },
  };
}

/** Returns how to drop what is queued and send nothing more. */
function pipe(from: Socket, to: Socket, { shaper, count }: RelayDirection): () => void {
  const queue: Buffer[] = [];
  let queuedBytes = 0;
  let isBlocked = false;
  let hasEnded = false;
  const flow: ShapedFlow = {
    readyBytes: () => (isBlocked ? 0 : queuedBytes),
    send(bytes) {
      let left = bytes;
      while (left > 0) {
        const head = queue.shift();
        if (!head) break;
        if (head.length > left) queue.unshift(head.subarray(left));
        const part = head.subarray(0, left);
        isBlocked = !to.write(part);
        left -= part.length;
      }
      queuedBytes -= bytes;
      count(bytes);
      if (queuedBytes <= RESUME_QUEUED_BYTES && from.isPaused()) from.resume();
      if (hasEnded && queuedBytes === 0) to.end();
    },
  };
  from.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    queuedBytes += chunk.length;
    if (queuedBytes >= MAX_QUEUED_BYTES) from.pause();
    if (!isBlocked) shaper.wake(flow);
  });
  from.on('end', () => {
    hasEnded = true;
    if (queuedBytes === 0) to.end();
  });
  to.on('drain', () => {
    isBlocked = false;
    if (queuedBytes > 0) shaper.wake(flow);
  });
  return () => {
    queue.length = 0;
    queuedBytes = 0;
    shaper.remove(flow);
  };
}

/**
 * A reset, so that what is cut off does not look whole. Not for a socket whose end is on its way: all that it had to say is
 * written then, and libuv refuses to reset it in a way that keeps Node 24 busy for ever when the process ends.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroySoon();
  else if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
