import { shuffled } from '@quarry/runtime';
import type { Answer, GossipMessage, GossipVerdict, Network, PeerEvents, PeerId, Request } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import type { HubInside, MemoryNodeOptions } from './memory-hub.ts';
import { createMemoryLink } from './memory-link.ts';
import type { MemoryLink } from './memory-link.ts';
import { carry } from './memory-transfer.ts';

/** What the other end of a wire sees, and what tests may look at. */
export interface MemoryNetwork extends Network {
  readonly up: MemoryLink;
  readonly down: MemoryLink;
  /** Gossip bytes that this node has passed on or published. */
  readonly gossipBytes: number;
  /** Its end of the wire. */
  readonly wire: Wire;
  /** Breaks every connection at once, as a crash does. */
  vanish(): void;
}

export interface Wire {
  /** Whether a connection from this peer is accepted. */
  accepts(peer: PeerId): boolean;
  connect(peer: PeerId): void;
  disconnect(peer: PeerId): void;
  serve(protocol: string, request: Request): Promise<Answer>;
  gossip(topic: string, message: WireMessage, via: PeerId): void;
  takesPart(topic: string): boolean;
}

export interface WireMessage extends GossipMessage {
  readonly id: string;
}

interface Subscription {
  readonly validate: (message: GossipMessage) => GossipVerdict;
  readonly onMessage: (message: GossipMessage) => void;
}

interface Handler {
  readonly maxRequestBytes: number;
  readonly handle: (request: Request) => Promise<Answer>;
}

const FOREVER: Promise<never> = new Promise(() => {});

/** One node's end of the wires of a hub. */
export function createMemoryNetwork(hub: HubInside, self: PeerId, options: MemoryNodeOptions): MemoryNetwork {
  const { clock } = hub;
  const connected = new Map<PeerId, AbortController>();
  const listeners = new Set<PeerEvents>();
  const subscriptions = new Map<string, Set<Subscription>>();
  const handlers = new Map<string, Handler>();
  const banned = new Set<PeerId>();
  const seen = new Set<string>();
  const up = createMemoryLink(clock, options.upBytesPerSecond ?? Infinity);
  const down = createMemoryLink(clock, options.downBytesPerSecond ?? Infinity);
  let published = 0;
  let gossipBytes = 0;
  let isClosed = false;

  const checkOpen = (): void => {
    if (isClosed) throw new SwarmError('SWARM_CLOSED', 'the network is closed');
  };
  const unreachable = (peer: PeerId): SwarmError =>
    new SwarmError('SWARM_UNREACHABLE', 'there is no connection to the peer', { details: { peer }, canRetry: true });
  const isStill = (peer: PeerId): boolean => hub.stalled.has(self) || hub.stalled.has(peer);

  const hangUp = (peer: PeerId): void => {
    const connection = connected.get(peer);
    if (!connection) return;
    connected.delete(peer);
    connection.abort(unreachable(peer));
    for (const listener of listeners) listener.peerDisconnected?.(peer);
    hub.nodes.get(peer)?.wire.disconnect(self);
  };
  const spread = (topic: string, message: WireMessage, via: PeerId): void => {
    const others = [...connected.keys()].filter((peer) => peer !== via && hub.nodes.get(peer)?.wire.takesPart(topic));
    for (const peer of shuffled(others, hub.random).slice(0, hub.options.gossipDegree)) {
      gossipBytes += message.bytes.length;
      if (isStill(peer) || hub.random.next() < hub.options.gossipLoss) continue;
      clock.after(hub.delayMs(), () => hub.nodes.get(peer)?.wire.gossip(topic, message, self));
    }
  };

  const wire: Wire = {
    accepts: (peer) => !isClosed && !banned.has(peer),
    connect(peer) {
      if (connected.has(peer)) return;
      connected.set(peer, new AbortController());
      for (const listener of listeners) listener.peerConnected?.(peer);
    },
    disconnect: hangUp,
    async serve(protocol, request) {
      const handler = handlers.get(protocol);
      if (!handler) throw new SwarmError('SWARM_REFUSED', `the peer does not speak ${protocol}`);
      if (request.bytes.length > handler.maxRequestBytes) throw unreachable(self);
      const answer = await handler.handle(request);
      if (!options.tamper) return answer;
      const unlimited = createMemoryLink(clock, Infinity);
      const whole = await carry(answer, {
        up: unlimited,
        down: unlimited,
        sliceBytes: Infinity,
        signal: request.signal,
        onProgress: () => {},
      });
      return options.tamper(protocol, whole);
    },
    gossip(topic, message, via) {
      if (isClosed || seen.has(message.id) || banned.has(message.author)) return;
      seen.add(message.id);
      for (const subscription of subscriptions.get(topic) ?? []) {
        if (subscription.validate(message) !== 'accept') continue;
        subscription.onMessage(message);
        spread(topic, message, via);
      }
    },
    takesPart: (topic) => (subscriptions.get(topic)?.size ?? 0) > 0,
  };

  return {
    peerId: self,
    up,
    down,
    wire,
    get gossipBytes() {
      return gossipBytes;
    },
    addresses: () => [`/memory/${self}`],
    peers: () => [...connected.keys()],
    listen(events) {
      listeners.add(events);
      return () => void listeners.delete(events);
    },
    async dial(peer, _addresses, { signal } = {}) {
      checkOpen();
      if (connected.has(peer)) return;
      if (banned.has(peer)) throw new SwarmError('SWARM_BANNED', 'the peer is banned', { details: { peer } });
      if (options.dials === false) throw new SwarmError('SWARM_REFUSED', 'this node does not dial');
      await clock.sleep(2 * hub.delayMs(), { signal });
      const other = hub.nodes.get(peer);
      if (isStill(peer)) await waitFor(FOREVER, signal);
      if (isClosed || !other?.wire.accepts(self) || peer === self) throw unreachable(peer);
      wire.connect(peer);
      other.wire.connect(self);
    },
    async publish(topic, bytes) {
      checkOpen();
      published += 1;
      const message = { id: `${self} ${published}`, author: self, bytes: new Uint8Array(bytes) };
      seen.add(message.id);
      spread(topic, message, self);
    },
    subscribe(topic, listener) {
      const all = subscriptions.get(topic) ?? new Set();
      subscriptions.set(topic, all.add(listener));
      return () => void all.delete(listener);
    },
    async request(peer, protocol, bytes, { signal, maxBytes, buffers, onProgress }) {
      checkOpen();
      signal?.throwIfAborted();
      const connection = connected.get(peer);
      const other = hub.nodes.get(peer);
      if (!connection || !other) throw unreachable(peer);
      const ending = AbortSignal.any([connection.signal, ...(signal ? [signal] : [])]);
      let taken: Uint8Array | undefined;
      const exchange = async (): Promise<Uint8Array> => {
        await clock.sleep(hub.delayMs(), { signal: ending });
        if (isStill(peer)) await FOREVER;
        up.pass(bytes.length, () => {});
        const answer = await other.wire
          .serve(protocol, { peer: self, bytes, signal: ending })
          .catch((cause: unknown) => {
            throw cause instanceof SwarmError && cause.code === 'SWARM_REFUSED' ? cause : unreachable(peer);
          });
        const byteLength = answer instanceof Uint8Array ? answer.length : answer.byteLength;
        if (byteLength > maxBytes) {
          throw new SwarmError('SWARM_TOO_LARGE', `the answer has ${byteLength} bytes, over ${maxBytes}`);
        }
        await clock.sleep(hub.delayMs(), { signal: ending });
        const into = await buffers?.take(byteLength, { signal: ending });
        if (ending.aborted && into) buffers?.give(into);
        ending.throwIfAborted();
        taken = into;
        return carry(answer, {
          into,
          pace: buffers?.pace,
          up: other.up,
          down,
          sliceBytes: hub.options.sliceBytes,
          signal: ending,
          onProgress: (receivedBytes) => {
            if (!isStill(peer)) onProgress?.(receivedBytes);
          },
        }).then((whole) => (isStill(peer) ? FOREVER : whole));
      };
      try {
        return await waitFor(exchange(), ending);
      } catch (error) {
        if (taken) buffers?.give(taken);
        throw error;
      }
    },
    handle(protocol, { maxRequestBytes }, handle) {
      handlers.set(protocol, { maxRequestBytes, handle });
      return () => void handlers.delete(protocol);
    },
    hangUp,
    ban(peer) {
      banned.add(peer);
      hangUp(peer);
    },
    vanish() {
      isClosed = true;
      for (const peer of connected.keys()) hangUp(peer);
    },
    async close() {
      this.vanish();
      hub.nodes.delete(self);
    },
  };
}

/** The work's result, or the signal's reason as soon as it aborts; what the work does then is nobody's concern. */
function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
