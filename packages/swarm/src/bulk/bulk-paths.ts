import { createSingleFlight } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import type { FramedStream } from '../network/framed-stream.ts';
import type { Libp2pNetwork } from '../network/libp2p-network.ts';
import type { TrafficMeter } from '../network/traffic.ts';
import { withDeadline } from '../network/with-deadline.ts';
import type { PeerId } from '../ports/network.ts';
import { decodeBulkOffer, encodeBulkAsk } from '../protocol/bulk-offer.ts';
import type { BulkOffer } from '../protocol/bulk-offer.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { SwarmError } from '../swarm-error.ts';
import { connectBulk } from './bulk-connect.ts';
import type { BulkOptions } from './bulk-options.ts';
import { createConnectionBook } from './connection-book.ts';

/** There is no bulk connection to be had now: the request has not left, and goes over the network beneath. */
export class NoBulkPath extends Error {}

/**
 * How each peer can be reached in bulk: asked over Noise once, then remembered while it is connected. One that has no port to offer, or whose port
 * does not answer, is asked again after a pause; by a try of its own then, so that no request waits for it. Nor does one wait for long where a host is short of
 * CPU, or a link full: the connection may still come, and the next request has it. Twenty hosts on two cores, that took a slow handshake for none, carried
 * about half of their requests over Noise, which made them slower still.
 */
export interface BulkPaths {
  /** Rejects with NoBulkPath, or as the signal says. */
  open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<FramedStream>;
  readonly openConnections: number;
  /** Ends this node's connections to the peer and forgets what was agreed. */
  cut(peer: PeerId, error: Error): void;
  close(error: Error): void;
}

export interface BulkPathsDeps {
  readonly network: Pick<Libp2pNetwork, 'request' | 'hostOf'>;
  readonly isConnected: (peer: PeerId) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: TrafficMeter;
}

/** A peer that could not be reached. */
interface Away {
  readonly pauseMs: number;
  readonly untilMs: number;
  isTrying: boolean;
}

export function createBulkPaths(deps: BulkPathsDeps, options: BulkOptions): BulkPaths {
  const { network, isConnected, clock, logger, meter } = deps;
  /** Keys for TLS; tickets are good for one connection and not kept. */
  const offers = new Map<PeerId, BulkOffer>();
  const aways = new Map<PeerId, Away>();
  /** Connections under way for longer than requests wait: until one of them is settled, no other is tried. */
  const late = new Map<PeerId, Promise<FramedStream>>();
  /** Connections that came after their request had left by another way, by peer and protocol. */
  const spares = new Map<string, FramedStream>();
  const asks = createSingleFlight<BulkOffer | undefined>();
  const book = createConnectionBook({ maxPerPeer: Infinity });
  const closing = new AbortController();
  let opening = 0;

  const ask = async (peer: PeerId, signal: AbortSignal): Promise<BulkOffer | undefined> => {
    const request = encodeBulkAsk({ wantsPlain: options.mode === 'plain' });
    const waiting = { maxBytes: protocolLimits.maxBulkOfferBytes, idleTimeoutMs: options.connectTimeoutMs };
    try {
      return decodeBulkOffer(await network.request(peer, protocols.bulk, request, { ...waiting, signal }));
    } catch (error) {
      // A peer that does not know of bulk has none to offer.
      if (error instanceof SwarmError && error.code === 'SWARM_REFUSED') return undefined;
      throw error;
    }
  };
  const connect = async (
    peer: PeerId,
    offer: BulkOffer,
    protocol: string,
    signal: AbortSignal,
  ): Promise<FramedStream> => {
    let failure: unknown = new NoBulkPath('the peer names no place');
    for (const { host, port } of offer.places) {
      const reached = host === '' ? network.hostOf(peer) : host;
      if (reached === undefined) continue;
      try {
        return await connectBulk(offer, { host: reached, port }, protocol, {
          signal,
          sendPartBytes: options.sendPartBytes,
          retireBytes: options.retireConnectionBytes,
          onSent: (byteLength) => meter.sent(peer, byteLength),
          onReceived: (byteLength) => meter.received(peer, byteLength),
        });
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  };
  const attempt = async (peer: PeerId, protocol: string, signal: AbortSignal): Promise<FramedStream> => {
    const known = offers.get(peer);
    if (known) {
      try {
        return await connect(peer, known, protocol, signal);
      } catch {
        signal.throwIfAborted();
        offers.delete(peer); // it may be of a connection that the peer has seen end
      }
    }
    const offer =
      options.mode === 'plain'
        ? await ask(peer, signal)
        : await asks.run(peer, (shared) => ask(peer, shared), { signal });
    if (!offer) throw new NoBulkPath('the peer offers no bulk port');
    if (offer.mode === 'plain' && options.mode !== 'plain') {
      throw new SwarmError('SWARM_BAD_MESSAGE', 'the peer offered plain TCP, which nobody asked for');
    }
    const stream = await connect(peer, offer, protocol, signal);
    if (offer.mode === 'tls') offers.set(peer, offer);
    return stream;
  };
  const tryOpen = async (peer: PeerId, protocol: string): Promise<FramedStream> => {
    const ms = options.connectTimeoutMs;
    const tooLate = (): Error => new SwarmError('SWARM_UNREACHABLE', `no bulk connection within ${ms} ms`);
    const { signal } = closing;
    const stream = await withDeadline(clock, { ms, late: tooLate, signal }, (ending) =>
      attempt(peer, protocol, ending),
    );
    if (isConnected(peer) && !closing.signal.aborted) return stream;
    offers.delete(peer);
    stream.abort(new SwarmError('SWARM_UNREACHABLE', 'the peer has gone'));
    throw new NoBulkPath('the peer has gone');
  };
  const setAway = (peer: PeerId, pauseMs: number, error: unknown): void => {
    if (!isConnected(peer)) return;
    aways.set(peer, { pauseMs, untilMs: clock.now() + pauseMs, isTrying: false });
    logger.debug('no bulk connection to a peer: libp2p carries what it is asked', { peer, pauseMs, error });
  };
  const spare = (peer: PeerId, protocol: string, stream: FramedStream): void => {
    const name = `${peer} ${protocol}`;
    if (spares.has(name)) return stream.close();
    spares.set(name, stream);
    book.add(peer, stream);
    stream.onEnd(() => {
      if (spares.get(name) === stream) spares.delete(name);
    });
    // Nobody may come for it.
    const cancel = clock.after(options.idleConnectionMs, () => {
      if (spares.get(name) === stream) stream.close();
    });
    stream.onEnd(cancel);
  };
  const takeSpare = (peer: PeerId, protocol: string): FramedStream | undefined => {
    const name = `${peer} ${protocol}`;
    const stream = spares.get(name);
    spares.delete(name);
    return stream?.isOpen === true ? stream : undefined;
  };
  const begin = (peer: PeerId, protocol: string): Promise<FramedStream> => {
    opening += 1;
    const begun = tryOpen(peer, protocol)
      .catch((cause: unknown) => {
        if (!aways.has(peer)) setAway(peer, options.retryFirstMs, cause);
        throw new NoBulkPath('the peer cannot be reached', { cause });
      })
      .finally(() => {
        opening -= 1;
        if (late.get(peer) === begun) late.delete(peer);
      });
    return begun;
  };
  const tryAgain = (peer: PeerId, protocol: string, away: Away): void => {
    away.isTrying = true;
    tryOpen(peer, protocol).then(
      (stream) => {
        spare(peer, protocol, stream);
        if (aways.get(peer) === away) aways.delete(peer);
      },
      (error: unknown) => {
        if (aways.get(peer) === away) setAway(peer, Math.min(2 * away.pauseMs, options.retryMaxMs), error);
      },
    );
  };

  return {
    async open(peer, protocol, signal) {
      signal.throwIfAborted();
      const away = aways.get(peer);
      if (away) {
        if (clock.now() >= away.untilMs && !away.isTrying) tryAgain(peer, protocol, away);
        throw new NoBulkPath('the peer could not be reached a while ago');
      }
      const ready = takeSpare(peer, protocol);
      if (ready) return ready;
      if (late.has(peer)) throw new NoBulkPath('the peer takes long to connect');
      if (book.size + opening >= options.maxConnections) throw new NoBulkPath('too many connections');
      const begun = begin(peer, protocol);
      const left = new AbortController();
      const leave = (reason: unknown): void => left.abort(reason);
      const cancel = clock.after(options.connectPatienceMs, () => {
        late.set(peer, begun);
        leave(new NoBulkPath('the peer takes long to connect'));
      });
      const onAbort = (): void => leave(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      begun.then(
        (stream) => left.signal.aborted && spare(peer, protocol, stream),
        () => {},
      );
      try {
        const stream = await Promise.race([begun, rejected(left.signal)]);
        book.add(peer, stream);
        return stream;
      } finally {
        cancel();
        signal.removeEventListener('abort', onAbort);
      }
    },
    get openConnections() {
      return book.size;
    },
    cut(peer, error) {
      offers.delete(peer);
      aways.delete(peer);
      late.delete(peer);
      book.abort(peer, error);
    },
    close(error) {
      closing.abort(error);
      book.abortAll(error);
    },
  };
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}
