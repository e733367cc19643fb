import type { Stream } from '@libp2p/interface';
import { SwarmError } from '../swarm-error.ts';

/**
 * A libp2p stream read and written by exact lengths, for a conversation in which one side speaks at a time.
 * Back-pressure: what arrives goes straight into the reader's buffer; what nobody asked for is kept up to `maxBacklogBytes` while the
 * other side may speak, and breaks the stream when it may not. `send` waits until the connection has taken what was sent before.
 */
export interface FramedStream {
  readonly isOpen: boolean;
  /** Whether the other side may speak now. Bytes that arrive or have arrived otherwise break the stream (SWARM_BAD_MESSAGE). */
  expect(isExpected: boolean): void;
  /** Resolves when `target` is full. One at a time. `onPart` hears how many bytes are in so far. */
  fill(target: Uint8Array, onPart?: (filledBytes: number) => void): Promise<void>;
  /**
   * Resolves when all but the last part has been taken. The bytes are not copied: they must not change afterwards. `onPart` hears of each part.
   * With `isMoreComing` a few bytes may wait for the next call, to leave with those.
   */
  send(bytes: Uint8Array, onPart?: () => void, isMoreComing?: boolean): Promise<void>;
  /** Resolves when no byte that was sent is needed any more: the system has them. Absent where that cannot be known. */
  readonly flush?: () => Promise<void>;
  /** Resets the stream: the other side hears of it, and what waits here rejects with `error`. */
  abort(error: Error): void;
  /** Says that nothing more will be sent; the other side closes in turn. */
  close(): void;
  /** Calls `listener` once when the stream has ended, for whatever reason; at once if it has. The returned function forgets it. */
  onEnd(listener: (error: Error) => void): () => void;
}

export interface FramedStreamOptions {
  readonly sendPartBytes: number;
  readonly maxBacklogBytes: number;
  readonly onSent: (byteLength: number) => void;
  readonly onReceived: (byteLength: number) => void;
}

interface Reader {
  readonly target: Uint8Array;
  filled: number;
  readonly onPart: ((filledBytes: number) => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** With so much that nobody reads the sender is made to wait: its window is not opened any further. */
const PAUSE_BACKLOG_BYTES = 64 * 1024;

export function frameStream(stream: Stream, options: FramedStreamOptions): FramedStream {
  const backlog: Uint8Array[] = [];
  let backlogBytes = 0;
  let isExpected = false;
  let reader: Reader | undefined;
  let ended: Error | undefined;
  let wakeWriter = (): void => {};
  const endListeners = new Set<(error: Error) => void>();

  const end = (error: Error): void => {
    if (ended) return;
    ended = error;
    backlog.length = 0;
    reader?.reject(error);
    reader = undefined;
    wakeWriter();
    for (const listener of endListeners) listener(error);
    endListeners.clear();
  };
  const abort = (error: Error): void => {
    if (ended) return;
    end(error);
    stream.abort(error);
  };

  const feed = (chunk: Uint8Array): Uint8Array => {
    if (!reader) return chunk;
    const current = reader;
    const taken = Math.min(chunk.byteLength, current.target.byteLength - current.filled);
    current.target.set(taken === chunk.byteLength ? chunk : chunk.subarray(0, taken), current.filled);
    current.filled += taken;
    current.onPart?.(current.filled); // may abort
    if (reader === current && current.filled === current.target.byteLength) {
      current.resolve();
      reader = undefined;
    }
    return chunk.subarray(taken);
  };
  const receive = (chunk: Uint8Array): void => {
    if (ended) return;
    options.onReceived(chunk.byteLength);
    if (!isExpected) return abort(violation('spoke out of turn'));
    const rest = feed(chunk);
    if (rest.byteLength === 0) return;
    backlog.push(rest);
    backlogBytes += rest.byteLength;
    if (backlogBytes > options.maxBacklogBytes) abort(violation('sent more than was asked for'));
    else if (backlogBytes > PAUSE_BACKLOG_BYTES && stream.readStatus === 'readable') stream.pause();
  };

  stream.addEventListener('message', ({ data }) => {
    if (data instanceof Uint8Array) receive(data);
    else for (const chunk of data) receive(chunk);
  });
  stream.addEventListener('remoteCloseWrite', () => {
    // The other side has ended the conversation; whether it cut one short is for the reader to say.
    end(broken('the peer closed the stream'));
    void stream.close().catch((error: Error) => stream.abort(error));
  });
  stream.addEventListener('close', ({ error }) => end(broken('the stream to the peer broke', error)));
  // `onDrain()` of libp2p 3.3 resolves at once after its first time, so the event it is: after it libp2p empties its queue in a microtask.
  stream.addEventListener('drain', () => wakeWriter());
  stream.addEventListener('idle', () => wakeWriter());

  const drained = async (): Promise<void> => {
    while (!ended && (stream.writableNeedsDrain || stream.writeBufferLength > 0)) {
      await new Promise<void>((resolve) => {
        wakeWriter = resolve;
      });
    }
    if (ended) throw ended;
  };

  return {
    get isOpen() {
      return !ended && stream.status === 'open' && stream.writeStatus === 'writable';
    },
    expect(expected) {
      isExpected = expected;
      if (!expected && backlogBytes > 0) abort(violation('spoke out of turn'));
    },
    fill(target, onPart) {
      if (reader) throw new TypeError('a stream is read by one at a time');
      if (ended) return Promise.reject(ended);
      if (target.byteLength === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        reader = { target, filled: 0, onPart, resolve, reject };
        for (let chunk = backlog.shift(); chunk; chunk = reader && backlog.shift()) {
          const rest = feed(chunk);
          backlogBytes -= chunk.byteLength - rest.byteLength;
          if (rest.byteLength > 0) backlog.unshift(rest);
        }
        if (backlogBytes === 0 && stream.readStatus === 'paused') stream.resume();
      });
    },
    async send(bytes, onPart) {
      for (let offset = 0; offset < bytes.byteLength; offset += options.sendPartBytes) {
        await drained();
        const part = bytes.subarray(offset, offset + options.sendPartBytes);
        try {
          stream.send(part);
        } catch (cause) {
          throw ended ?? broken('the stream to the peer broke', cause);
        }
        options.onSent(part.byteLength);
        onPart?.();
      }
    },
    abort,
    close() {
      if (ended) return;
      end(broken('this side closed the stream'));
      void stream.close().catch((error: Error) => stream.abort(error));
    },
    onEnd(listener) {
      if (ended) listener(ended);
      else endListeners.add(listener);
      return () => void endListeners.delete(listener);
    },
  };
}

function violation(what: string): SwarmError {
  return new SwarmError('SWARM_BAD_MESSAGE', `the peer ${what}`);
}

function broken(what: string, cause?: unknown): SwarmError {
  return new SwarmError('SWARM_UNREACHABLE', what, { cause, canRetry: true });
}
