import { createSemaphore } from '@quarry/runtime';
import type { Clock, Semaphore } from '@quarry/runtime';
import type { PeerId, RequestOptions } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { ANSWER_HEAD_BYTES, parseAnswerHead, requestFrame } from './exchange-frames.ts';
import type { FramedStream } from './framed-stream.ts';
import { watchForStall } from './stall-watch.ts';

export interface ExchangeOptions extends RequestOptions {
  /** Overrides the network's `idleTimeoutMs` for this request. */
  readonly idleTimeoutMs?: number | undefined;
}

/** Sends requests on a bounded number of long-lived streams per peer and protocol, one at a time on each. */
export interface ExchangeClient {
  request(peer: PeerId, protocol: string, bytes: Uint8Array, options: ExchangeOptions): Promise<Uint8Array>;
  readonly openExchanges: number;
  close(error: Error): void;
}

export interface ExchangeClientDeps {
  readonly clock: Clock;
  /** Opens a stream on which this protocol was agreed; rejects with a SwarmError, or as the signal says. */
  readonly open: (peer: PeerId, protocol: string, signal: AbortSignal) => Promise<FramedStream>;
}

export interface ExchangeClientOptions {
  readonly maxStreamsPerPeer: number;
  readonly idleTimeoutMs: number;
  readonly idleStreamMs: number;
}

interface Pool {
  readonly turns: Semaphore;
  /** The one used last is at the end and is taken first, so that the others grow old and go. */
  readonly idle: IdleStream[];
}

interface IdleStream {
  readonly stream: FramedStream;
  readonly sinceMs: number;
  readonly forget: () => void;
}

export function createExchangeClient(deps: ExchangeClientDeps, options: ExchangeClientOptions): ExchangeClient {
  const pools = new Map<string, Pool>();
  const running = new Set<AbortController>();
  let closed: Error | undefined;

  const poolFor = (key: string): Pool => {
    const pool = pools.get(key) ?? { turns: createSemaphore(options.maxStreamsPerPeer), idle: [] };
    pools.set(key, pool);
    return pool;
  };
  const keep = (pool: Pool, stream: FramedStream): void => {
    stream.expect(false);
    if (!stream.isOpen || closed) return stream.close();
    const forget = stream.onEnd(() => {
      const at = pool.idle.findIndex((idle) => idle.stream === stream);
      if (at >= 0) pool.idle.splice(at, 1);
    });
    pool.idle.push({ stream, sinceMs: deps.clock.now(), forget });
  };
  const takeIdle = (pool: Pool): FramedStream | undefined => {
    const idle = pool.idle.pop();
    idle?.forget();
    return idle?.stream;
  };
  const closeIdle = (untilMs: number): void => {
    for (const [key, pool] of pools) {
      for (const { stream } of pool.idle.filter(({ sinceMs }) => sinceMs <= untilMs)) stream.close();
      if (pool.idle.length === 0 && pool.turns.active === 0) pools.delete(key);
    }
  };
  let cancelSweep = (): void => {};
  const sweep = (): void => {
    closeIdle(deps.clock.now() - options.idleStreamMs);
    cancelSweep = deps.clock.after(options.idleStreamMs, sweep);
  };
  sweep();

  const exchange = async (
    pool: Pool,
    [peer, protocol, bytes]: readonly [PeerId, string, Uint8Array],
    { maxBytes, buffers, onProgress, signal, idleTimeoutMs = options.idleTimeoutMs }: ExchangeOptions,
  ): Promise<Uint8Array> => {
    // One controller for all that can end it early: the caller, a stall, the network closing.
    const ending = new AbortController();
    const cancel = (): void => ending.abort(signal?.reason);
    const watch = watchForStall(deps.clock, idleTimeoutMs, () => ending.abort(stalled(peer, protocol, idleTimeoutMs)));
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    running.add(ending);
    let stream: FramedStream | undefined;
    try {
      stream = takeIdle(pool) ?? (await deps.open(peer, protocol, ending.signal));
      const used = stream;
      ending.signal.throwIfAborted();
      ending.signal.addEventListener('abort', () => used.abort(asError(ending.signal.reason)), { once: true });
      used.expect(true);
      await used.send(requestFrame(bytes), watch.touch);
      const head = new Uint8Array(ANSWER_HEAD_BYTES);
      await used.fill(head, watch.touch);
      const byteLength = answerLength(head, maxBytes, { peer, protocol });
      if (byteLength instanceof Error) {
        keep(pool, used);
        stream = undefined;
        throw byteLength;
      }
      watch.pause(); // the peer is not to blame for our lack of room
      const answer = await (buffers ? buffers.take(byteLength, ending) : newBuffer(byteLength));
      try {
        for (let filled = 0; filled < byteLength; ) {
          watch.pause();
          const paced = (await buffers?.pace?.(byteLength - filled, ending)) ?? byteLength;
          watch.touch();
          const before = filled;
          const part = answer.subarray(before, before + paced);
          await used.fill(part, (partBytes) => {
            watch.touch();
            onProgress?.(before + partBytes);
          });
          filled += part.length;
        }
      } catch (error) {
        buffers?.give(answer);
        throw error;
      }
      keep(pool, used);
      stream = undefined;
      return answer;
    } catch (error) {
      stream?.abort(asError(error));
      // libp2p has its own error for an aborted signal; ours says why.
      throw ending.signal.aborted ? ending.signal.reason : error;
    } finally {
      watch.stop();
      running.delete(ending);
      signal?.removeEventListener('abort', cancel);
    }
  };

  return {
    async request(peer, protocol, bytes, requestOptions) {
      if (closed) throw closed;
      const pool = poolFor(`${peer} ${protocol}`);
      return await pool.turns.run(async () => {
        if (closed) throw closed;
        return await exchange(pool, [peer, protocol, bytes], requestOptions);
      }, requestOptions);
    },
    get openExchanges() {
      return running.size;
    },
    close(error) {
      closed = error;
      cancelSweep();
      for (const ending of running) ending.abort(error);
      closeIdle(Infinity);
    },
  };
}

/** Not zeroed: it is handed out only when every byte has been written. */
function newBuffer(byteLength: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
}

/** How long the answer is, checked against the caller's cap, or the error that is the answer. Throws what makes the stream useless. */
function answerLength(
  bytes: Uint8Array,
  maxBytes: number,
  asked: { readonly peer: PeerId; readonly protocol: string },
): number | SwarmError {
  const head = parseAnswerHead(bytes);
  if (head === undefined) throw new SwarmError('SWARM_BAD_MESSAGE', 'the peer sent no answer head', { details: asked });
  if (head === 'refused') return new SwarmError('SWARM_REFUSED', 'the peer refused', { details: asked });
  if (head === 'failed') {
    return new SwarmError('SWARM_UNREACHABLE', 'the peer could not answer', { details: asked, canRetry: true });
  }
  const { byteLength } = head;
  if (byteLength > maxBytes) {
    throw new SwarmError(
      'SWARM_TOO_LARGE',
      `the peer declared an answer of ${byteLength} bytes, more than the ${maxBytes} asked for`,
      { details: { ...asked, byteLength, maxBytes } },
    );
  }
  return byteLength;
}

function stalled(peer: PeerId, protocol: string, idleTimeoutMs: number): SwarmError {
  return new SwarmError('SWARM_STALLED', `nothing moved between us and the peer for ${idleTimeoutMs} ms`, {
    details: { peer, protocol, idleTimeoutMs },
    canRetry: true,
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
