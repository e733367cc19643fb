import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '@quarry/runtime';
import { GatewayError } from '../gateway-error.ts';
import { createStallWatch } from '../stall-watch.ts';

/** What a client sends, asked for only when somebody wants it. One reader at a time. */
export interface ClientBody {
  /** Whether the client has said that it sends nothing. */
  readonly isEmpty: boolean;
  readonly readBytes: number;
  /** Whether the client may have begun to send: see uploadAnswer. */
  readonly hasBegun: boolean;
  /** Whether all of it was read. */
  readonly isWhole: boolean;
  /**
   * What has not been read yet. The first call of `next` lets a client that waits for `100 Continue` send.
   * @throws GatewayError GATEWAY_CLIENT_GONE, GATEWAY_STALLED where nothing came for `idleMs`, or what `stop` was given
   */
  read(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Ends a `read` that waits. What was not read can be drained, or read anew. */
  stop(reason: unknown): void;
  /**
   * Reads the rest and throws it away, so that a client that sends on without looking comes to read the answer. Resolves when the client has sent all, has
   * left, or has been silent for `idleMs`: then whether the connection can be used again. Nothing is asked for that the client holds back.
   */
  drain(): Promise<boolean>;
  /** Lets go of the connection, which may have other requests. */
  close(): void;
}

const MAX_QUEUED_BYTES = 2 ** 20;

export function createClientBody(
  request: IncomingMessage,
  response: ServerResponse,
  { clock }: { readonly clock: Clock },
  { idleMs }: { readonly idleMs: number },
): ClientBody {
  const isEmpty =
    request.headers['transfer-encoding'] === undefined && !(Number(request.headers['content-length']) > 0);
  const waitsToSend = !isEmpty && request.headers.expect?.toLowerCase() === '100-continue';
  let isContinued = false;
  let readBytes = 0;
  let hasEnded = false;
  let turn = 0; // of the reader; whoever has an older one was stopped
  let stopReason: unknown;
  let wake: (() => void) | undefined;
  const queue: Buffer[] = [];
  let queuedBytes = 0;
  let isListening = false;
  let isIdle = false;
  const watch = createStallWatch(clock, idleMs, () => {
    isIdle = true;
    wake?.();
  });
  const onEvent = (): void => wake?.();
  request.once('end', () => {
    hasEnded = true;
    onEvent();
  });
  for (const event of ['close', 'error']) request.on(event, onEvent);
  // A request that has its answer hears no more of a connection that closes.
  const { socket } = request;
  socket.on('close', onEvent);

  /** The next bytes; undefined at the end. */
  const pull = async (mine: number): Promise<Uint8Array | undefined> => {
    for (;;) {
      if (mine !== turn) throw stopReason;
      const bytes = queue.shift();
      if (bytes !== undefined) {
        readBytes += bytes.length;
        queuedBytes -= bytes.length;
        if (queuedBytes < MAX_QUEUED_BYTES) request.resume();
        return bytes;
      }
      if (hasEnded) return undefined;
      if (request.destroyed || socket.destroyed)
        throw new GatewayError('GATEWAY_CLIENT_GONE', 'the client left in the middle of its upload');
      if (isIdle) {
        throw new GatewayError('GATEWAY_STALLED', `the client sent nothing of its upload for ${idleMs} ms`);
      }
      watch.await();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      watch.rest();
    }
  };
  /** Not by `read`, which would copy what has gathered into one buffer. */
  const listen = (): void => {
    if (isListening) return;
    isListening = true;
    request.on('data', (bytes: Buffer) => {
      queue.push(bytes);
      queuedBytes += bytes.length;
      if (queuedBytes >= MAX_QUEUED_BYTES) request.pause();
      wake?.();
    });
  };

  return {
    isEmpty,
    get readBytes() {
      return readBytes;
    },
    get hasBegun() {
      // Some wait for a second only, and then send all the same.
      return !isEmpty && (!waitsToSend || isContinued || readBytes > 0 || request.readableLength > 0);
    },
    get isWhole() {
      return hasEnded;
    },
    async *read() {
      const mine = ++turn;
      listen();
      if (waitsToSend && !isContinued) {
        isContinued = true;
        response.writeContinue();
      }
      for (let bytes = await pull(mine); bytes !== undefined; bytes = await pull(mine)) yield bytes;
    },
    stop(reason) {
      turn += 1;
      stopReason = reason;
      wake?.();
    },
    async drain() {
      const mine = ++turn;
      stopReason = new GatewayError('GATEWAY_CLOSED', 'another reads on');
      if (waitsToSend && !isContinued) return true; // Node closes the connection behind such an answer
      listen();
      try {
        while ((await pull(mine)) !== undefined);
        return true;
      } catch {
        return false;
      }
    },
    close() {
      socket.off('close', onEvent);
      watch.close();
    },
  };
}
