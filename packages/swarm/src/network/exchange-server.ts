import { createSemaphore } from '@quarry/runtime';
import type { Clock, Logger, Semaphore } from '@quarry/runtime';
import type { Answer, PeerId, Request } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { answerHead, MAX_FRAME_BYTES, REQUEST_HEAD_BYTES, requestByteLength } from './exchange-frames.ts';
import type { FramedStream } from './framed-stream.ts';
import { watchForStall } from './stall-watch.ts';
import type { StallWatch } from './stall-watch.ts';

/** Answers what peers ask: each stream one request at a time, each peer so many at once. */
export interface ExchangeServer {
  /** Takes over a stream on which this handler's protocol was agreed. Resolves when the conversation is over; never rejects. */
  serve(peer: PeerId, stream: FramedStream, service: Service): Promise<void>;
  forget(peer: PeerId): void;
  readonly openExchanges: number;
  close(error: Error): void;
}

export interface Service {
  readonly protocol: string;
  readonly maxRequestBytes: number;
  readonly handler: (request: Request) => Promise<Answer>;
}

export interface ExchangeServerOptions {
  readonly maxServedPerPeer: number;
  readonly idleTimeoutMs: number;
}

interface Exchange {
  readonly peer: PeerId;
  readonly stream: FramedStream;
  readonly service: Service;
  readonly watch: StallWatch;
}

type SendPart = (part: Uint8Array, isMoreComing: boolean) => Promise<void>;

export function createExchangeServer(
  deps: { readonly clock: Clock; readonly logger: Logger },
  options: ExchangeServerOptions,
): ExchangeServer {
  const turnsByPeer = new Map<PeerId, Semaphore>();
  const streams = new Set<FramedStream>();
  let openExchanges = 0;

  const turnsOf = (peer: PeerId): Semaphore => {
    const turns = turnsByPeer.get(peer) ?? createSemaphore(options.maxServedPerPeer);
    turnsByPeer.set(peer, turns);
    return turns;
  };
  const answerOne = async (peer: PeerId, stream: FramedStream, byteLength: number, service: Service): Promise<void> => {
    const { idleTimeoutMs } = options;
    const watch = watchForStall(deps.clock, idleTimeoutMs, () =>
      stream.abort(
        new SwarmError('SWARM_STALLED', `the asker moved nothing for ${idleTimeoutMs} ms`, { details: { peer } }),
      ),
    );
    try {
      await answerWatched({ peer, stream, service, watch }, byteLength);
    } finally {
      watch.stop();
    }
  };
  /** The asker is not to blame for parts that are made slowly, so only the sending of each is watched. */
  const answerWatched = async ({ peer, stream, service, watch }: Exchange, byteLength: number): Promise<void> => {
    const bytes = new Uint8Array(byteLength);
    await stream.fill(bytes, watch.touch);
    watch.pause();
    /** A part may be reported as moved when the next is still being made. */
    let isSending = false;
    const onPart = (): void => {
      if (isSending) watch.touch();
    };
    stream.expect(false);
    if (!stream.isOpen) throw new SwarmError('SWARM_UNREACHABLE', 'the asker has gone', { details: { peer } });
    const cancelling = new AbortController();
    const forget = stream.onEnd((error) => cancelling.abort(error));
    try {
      const answer = await tryHandle(service, { peer, bytes, signal: cancelling.signal }, deps.logger);
      const send: SendPart = async (part, isMoreComing) => {
        isSending = true;
        watch.touch();
        await stream.send(part, onPart, isMoreComing);
        isSending = false;
        watch.pause();
      };
      const flush = async (): Promise<void> => {
        isSending = true;
        watch.touch();
        await stream.flush?.();
      };
      try {
        stream.expect(true); // the asker may have the answer before this side knows that it has left
        await send(answerHead(answer), typeof answer === 'object' && answer.byteLength > 0);
        if (typeof answer === 'object') await sendAnswer(answer, send, flush);
      } finally {
        if (stream.flush && typeof answer === 'object' && 'parts' in answer) answer.release?.();
      }
    } finally {
      forget();
    }
  };

  return {
    async serve(peer, stream, service) {
      streams.add(stream);
      stream.expect(true);
      const head = new Uint8Array(REQUEST_HEAD_BYTES);
      try {
        for (;;) {
          await stream.fill(head);
          const byteLength = requestByteLength(head);
          if (byteLength > service.maxRequestBytes) {
            throw new SwarmError(
              'SWARM_TOO_LARGE',
              `a request of ${byteLength} bytes, more than ${service.maxRequestBytes}`,
            );
          }
          await turnsOf(peer).run(async () => {
            openExchanges += 1;
            try {
              await answerOne(peer, stream, byteLength, service);
            } finally {
              openExchanges -= 1;
            }
          });
        }
      } catch (error) {
        stream.abort(error instanceof Error ? error : new Error(String(error)));
        if (!(error instanceof SwarmError && error.code === 'SWARM_UNREACHABLE')) {
          deps.logger.debug('broke off a request', { peer, protocol: service.protocol, error });
        }
      } finally {
        streams.delete(stream);
      }
    },
    forget: (peer) => void turnsByPeer.delete(peer),
    get openExchanges() {
      return openExchanges;
    },
    close(error) {
      for (const stream of streams) stream.abort(error);
    },
  };
}

/** Of a handler that failed the asker hears just that, not why. */
async function tryHandle(
  { handler, protocol }: Service,
  request: Request,
  logger: Logger,
): Promise<Answer | 'failed' | 'refused'> {
  try {
    const answer = await handler(request);
    if (answer.byteLength <= MAX_FRAME_BYTES) return answer;
    throw new RangeError(`an answer of ${answer.byteLength} bytes does not fit a frame`);
  } catch (error) {
    if (error instanceof SwarmError && error.code === 'SWARM_REFUSED') return 'refused';
    if (!request.signal.aborted) logger.warn('a request handler failed', { peer: request.peer, protocol, error });
    return 'failed';
  }
}

/** The parts are asked for their end when all have left: whoever makes them counts what is under way by it. */
async function sendAnswer(answer: Answer, send: SendPart, flush: () => Promise<void>): Promise<void> {
  if (answer instanceof Uint8Array) {
    await send(answer, false);
    return await flush();
  }
  let sentBytes = 0;
  for await (const part of answer.parts) {
    sentBytes += part.byteLength;
    if (sentBytes > answer.byteLength) break;
    await send(part, sentBytes < answer.byteLength);
    if (sentBytes === answer.byteLength) await flush();
  }
  if (sentBytes === answer.byteLength) return;
  throw new TypeError(
    `the parts of an answer add up to ${sentBytes} bytes or more, not to the ${answer.byteLength} declared`,
  );
}
