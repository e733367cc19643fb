import type { OnReadOpts, Socket } from 'node:net';
import type { FramedStream } from '../network/framed-stream.ts';
import { SwarmError } from '../swarm-error.ts';

/** Larger than what a socket gives at once; the rest stays in the kernel until somebody reads. */
const PAUSE_BACKLOG_BYTES = 64 * 1024;
/** What decryption may still give after that: what it had taken from the kernel. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
/** The largest record of TLS. Small pieces before larger ones are put into one with their beginning; the rest of it is not copied. */
const RECORD_BYTES = 16 * 1024;
/** Of so many bytes that came at once is told at once. */
const REPORT_BYTES = 128 * 1024;
/** One is encrypted and sent while the next waits. A third would make Node join them, by copying. */
const MAX_QUEUED_PARTS = 2;

export interface FrameSocketOptions {
  readonly sendPartBytes: number;
  /** Not open for another request when so many bytes have come. Default: no limit. */
  readonly retireBytes?: number | undefined;
  readonly onSent: (byteLength: number) => void;
  readonly onReceived: (byteLength: number) => void;
}

interface Reader {
  readonly target: Uint8Array;
  filled: number;
  /** Of those, how many `onPart` has heard of. */
  reported: number;
  readonly onPart: ((filledBytes: number) => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Where bytes go that no reader waits for: what comes before `fill` is called, and what nobody asked for. One for all sockets of the
 * thread: each read is looked at before there is another.
 */
const scratch = new Uint8Array(Buffer.allocUnsafeSlow(RECORD_BYTES).buffer);

/**
 * The framed stream on a TCP or TLS socket, for one conversation: nothing is multiplexed, so nothing waits for another's bytes. `open` makes the
 * socket; if it hands `onread` on to Node, what arrives is written straight into the reader's buffer: out of the kernel, or out of the record that
 * was decrypted. Of a socket made otherwise the data events are taken. Back-pressure is the kernel's: what nobody reads is not taken from it.
 */
export function frameSocket(open: (onread: OnReadOpts) => Socket, options: FrameSocketOptions): FramedStream {
  const backlog: Uint8Array[] = [];
  let backlogBytes = 0;
  let isPaused = false;
  let isExpected = false;
  let reader: Reader | undefined;
  /** Whose buffer Node has been given for the next read. */
  let lentTo: Reader | undefined;
  let ended: Error | undefined;
  let uncountedBytes = 0;
  let isReportDue = false;
  let queuedParts = 0;
  let wakeWriter = (): void => {};
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  let receivedBytes = 0;
  const endListeners = new Set<(error: Error) => void>();

  const end = (error: Error): void => {
    if (ended) return;
    ended = error;
    if (uncountedBytes > 0) options.onReceived(uncountedBytes);
    uncountedBytes = 0;
    backlog.length = 0;
    held.length = 0;
    reader?.reject(error);
    reader = undefined;
    wakeWriter();
    for (const listener of endListeners) listener(error);
    endListeners.clear();
  };
  const abort = (error: Error): void => {
    if (ended) return;
    // First the socket: whoever hears of the end may use its buffer for something else.
    socket.destroy();
    end(error);
  };

  /** Records come by the dozen in one turn of the event loop: those who count and watch hear of several together. */
  const count = (byteLength: number): void => {
    receivedBytes += byteLength;
    uncountedBytes += byteLength;
    if (isReportDue) return;
    isReportDue = true;
    setImmediate(() => {
      isReportDue = false;
      report();
    });
  };
  const report = (): void => {
    if (uncountedBytes > 0) options.onReceived(uncountedBytes);
    uncountedBytes = 0;
    if (!reader || reader.reported === reader.filled) return;
    reader.reported = reader.filled;
    reader.onPart?.(reader.filled); // may abort
  };
  const advance = (current: Reader, byteLength: number): void => {
    current.filled += byteLength;
    if (current.filled === current.target.byteLength || uncountedBytes >= REPORT_BYTES) report();
    if (reader === current && current.filled === current.target.byteLength) {
      reader = undefined;
      current.resolve();
    }
  };
  const feed = (chunk: Uint8Array): Uint8Array => {
    if (!reader) return chunk;
    const taken = Math.min(chunk.byteLength, reader.target.byteLength - reader.filled);
    reader.target.set(taken === chunk.byteLength ? chunk : chunk.subarray(0, taken), reader.filled);
    advance(reader, taken);
    return chunk.subarray(taken);
  };
  /** `isBorrowed`: the chunk is overwritten by the next read. */
  const receive = (chunk: Uint8Array, isBorrowed: boolean): void => {
    if (ended) return;
    count(chunk.byteLength);
    if (!isExpected) return abort(violation('spoke out of turn'));
    const rest = feed(chunk);
    if (rest.byteLength === 0 || ended) return;
    backlog.push(isBorrowed ? rest.slice() : rest);
    backlogBytes += rest.byteLength;
    if (backlogBytes > MAX_BACKLOG_BYTES) return abort(violation('sent more than was asked for'));
    if (backlogBytes <= PAUSE_BACKLOG_BYTES || isPaused) return;
    isPaused = true;
    socket.pause();
  };

  const socket = open({
    buffer() {
      lentTo = reader;
      return reader ? reader.target.subarray(reader.filled) : scratch;
    },
    callback(byteLength, buffer) {
      if (ended) return true;
      if (!lentTo || lentTo !== reader) receive(buffer.subarray(0, byteLength), true);
      else {
        count(byteLength);
        advance(lentTo, byteLength);
      }
      return true;
    },
  });
  socket.on('data', (chunk: Buffer) => receive(chunk, false));
  socket.on('end', () => {
    // The other side has ended the conversation; whether it cut one short is for the reader to say.
    end(broken('the peer closed the connection'));
    socket.destroySoon();
  });
  socket.on('error', (error) => end(broken('the connection to the peer broke', error)));
  socket.on('close', () => end(broken('the connection to the peer broke')));

  const submit = (part: Uint8Array, onPart?: () => void): void => {
    queuedParts += 1;
    options.onSent(part.byteLength);
    socket.write(part, (error) => {
      queuedParts -= 1;
      if (!error) onPart?.();
      wakeWriter();
      releaseHeld();
    });
  };
  /** Undefined: there was room, at once. */
  const write = (part: Uint8Array, onPart: (() => void) | undefined): Promise<void> | undefined => {
    if (ended) throw ended;
    if (queuedParts >= MAX_QUEUED_PARTS) return untilQueued(MAX_QUEUED_PARTS - 1).then(() => submit(part, onPart));
    submit(part, onPart);
    return undefined;
  };
  const takeHeld = (): Uint8Array => {
    const record = Buffer.concat(held, heldBytes);
    held.length = 0;
    heldBytes = 0;
    return record;
  };
  /** What was announced to follow has not within this turn of the event loop: a few bytes are not to wait for whoever makes it. */
  const releaseHeld = (): void => {
    if (!ended && heldBytes > 0 && queuedParts < MAX_QUEUED_PARTS) submit(takeHeld());
  };
  const untilQueued = async (parts: number): Promise<void> => {
    while (!ended && queuedParts > parts) {
      await new Promise<void>((resolve) => {
        wakeWriter = resolve;
      });
    }
    if (ended) throw ended;
  };

  return {
    get isOpen() {
      return !ended && socket.writable && receivedBytes < (options.retireBytes ?? Infinity);
    },
    expect(expected) {
      isExpected = expected;
      if (!expected && backlogBytes > 0) abort(violation('spoke out of turn'));
    },
    fill(target, onPart) {
      if (reader) throw new TypeError('a connection is read by one at a time');
      if (ended) return Promise.reject(ended);
      if (target.byteLength === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        reader = { target, filled: 0, reported: 0, onPart, resolve, reject };
        for (let chunk = backlog.shift(); chunk; chunk = reader && backlog.shift()) {
          const rest = feed(chunk);
          backlogBytes -= chunk.byteLength - rest.byteLength;
          if (rest.byteLength > 0) backlog.unshift(rest);
        }
        if (!isPaused || backlogBytes > 0 || ended) return;
        isPaused = false;
        socket.resume();
      });
    },
    async send(bytes, onPart, isMoreComing = false) {
      if (ended) throw ended;
      let rest = bytes;
      if (heldBytes > 0 || (isMoreComing && rest.byteLength < RECORD_BYTES)) {
        const beginning = rest.subarray(0, RECORD_BYTES - heldBytes);
        rest = rest.subarray(beginning.byteLength);
        if (heldBytes === 0) setImmediate(releaseHeld);
        held.push(beginning);
        heldBytes += beginning.byteLength;
        if (isMoreComing && heldBytes < RECORD_BYTES) return;
        await write(takeHeld(), onPart);
      }
      for (let offset = 0; offset < rest.byteLength; offset += options.sendPartBytes) {
        await write(rest.subarray(offset, offset + options.sendPartBytes), onPart);
      }
    },
    flush: () => untilQueued(0),
    abort,
    close() {
      if (ended) return;
      end(broken('this side closed the connection'));
      socket.destroySoon();
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
