declare const brand: unique symbol;
/** A node's identity as text, proven by whoever carries the connection. Two are equal exactly when their text is. At most 128 characters. */
export type PeerId = string & { readonly [brand]: 'PeerId' };

/** A message whose author the carrier has proven (by signature): not the neighbour that passed it on. */
export interface GossipMessage {
  readonly author: PeerId;
  readonly bytes: Uint8Array;
}

/** `accept` passes the message on; `ignore` drops it silently; `reject` drops it and counts against whoever passed it on. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject';

export interface Request {
  /** Who asks, proven by the connection. */
  readonly peer: PeerId;
  readonly bytes: Uint8Array;
  /** Aborts when the asker has gone or cancelled, or the network closes. */
  readonly signal: AbortSignal;
}

/**
 * The bytes of an answer: at once, or in parts that the carrier takes one by one as the connection drains, so that whoever makes them
 * can pace them. The parts add up to exactly `byteLength`, or the answer is broken off. The carrier does not change or keep them.
 */
export type Answer =
  | Uint8Array
  | {
      readonly byteLength: number;
      readonly parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
      /**
       * Called once when the carrier needs no byte of the parts any more: they have left, or never will. A carrier that cannot know when bytes have left
       * never calls it.
       */
      readonly release?: (() => void) | undefined;
    };

/** Gives room for answers. What was taken is the caller's of `request` when that resolves, and has been given back when it rejects. */
export interface AnswerBuffers {
  /** Exactly `bytes` long. Waits while too much is out. Rejects with the signal's reason. */
  take(bytes: number, waiting: { readonly signal: AbortSignal }): Promise<Uint8Array>;
  /** Takes back what an answer that broke off had been put into. */
  give(buffer: Uint8Array): void;
  /**
   * How many of the answer's `leftBytes` may be read next, from 1 to all of them, as soon as they may: holds reading below a rate. The carrier asks
   * before it reads, and lets the sender feel that it does not. Default: all at once. Rejects with the signal's reason.
   */
  readonly pace?:
    | ((leftBytes: number, waiting: { readonly signal: AbortSignal }) => number | Promise<number>)
    | undefined;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** A longer answer is refused by its declared length (SWARM_TOO_LARGE) before anything is allocated for it. */
  readonly maxBytes: number;
  /** Where the answer is put; default: a new buffer. The carrier takes one per answer and reads on when it has it. */
  readonly buffers?: AnswerBuffers | undefined;
  /** Called as bytes of the answer arrive, with how many have so far. Must not throw. */
  readonly onProgress?: ((receivedBytes: number) => void) | undefined;
}

export interface PeerEvents {
  readonly peerConnected?: (peer: PeerId) => void;
  readonly peerDisconnected?: (peer: PeerId) => void;
}

/**
 * What carries messages between nodes of one cluster: libp2p, or memory in tests and in the simulator. It knows nothing of packs. Laws:
 * - Only members of the cluster connect; `author` and `peer` are proven, never claimed.
 * - `publish` resolves when the message has left for the neighbours that take part in the topic, also when there is none. Delivery is best
 *   effort, unordered, at most once per subscriber; one's own messages do not come back. Publishing does not need a subscription.
 * - `subscribe`'s `onMessage` is called once per message that its verdict accepts; it must not throw and is not awaited.
 * - `request` rejects with SWARM_UNREACHABLE (not connected, broken, or the handler threw), SWARM_REFUSED (nobody handles this protocol there),
 *   SWARM_TOO_LARGE, or the signal's reason; a cancelled request aborts the handler's signal. It does not dial and does not time out by itself.
 * - One handler per protocol; a request longer than `maxRequestBytes` is broken off unread.
 * - peerConnected and peerDisconnected alternate per peer, whatever the number of connections beneath. A listener hears of peers connected
 *   before it listened by asking `peers`.
 * - `hangUp` ends the connection to a peer, if there is one; either side may connect again.
 * - A banned peer is disconnected, and neither dialled nor accepted until the network closes; its messages are dropped.
 * - After `close` every call rejects with SWARM_CLOSED.
 */
export interface Network {
  readonly peerId: PeerId;
  /** Where others can dial this node, as multiaddrs; empty when it only dials. May change while it runs. */
  addresses(): readonly string[];
  /** Peers connected now. */
  peers(): readonly PeerId[];
  listen(events: PeerEvents): () => void;
  /** Resolves when connected, also if it was already. Tries the addresses given and those it knows itself. */
  dial(
    peer: PeerId,
    addresses: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  publish(topic: string, bytes: Uint8Array): Promise<void>;
  subscribe(
    topic: string,
    listener: {
      /** Cheap and pure: it runs before anything is passed on. */
      readonly validate: (message: GossipMessage) => GossipVerdict;
      readonly onMessage: (message: GossipMessage) => void;
    },
  ): () => void;
  request(peer: PeerId, protocol: string, bytes: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  handle(
    protocol: string,
    options: { readonly maxRequestBytes: number },
    handler: (request: Request) => Promise<Answer>,
  ): () => void;
  hangUp(peer: PeerId): void;
  ban(peer: PeerId, reason: string): void;
  close(): Promise<void>;
}
