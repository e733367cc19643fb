import { gossipsub, StrictSign, TopicValidatorResult } from '@libp2p/gossipsub';
import type { GossipSub, GossipSubComponents, Message } from '@libp2p/gossipsub';
import type { Clock } from '@quarry/runtime';
import type { GossipMessage, GossipVerdict, Network, PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { createGossipPenalties } from './gossip-penalties.ts';
import { peerIdOf } from './peer-identity.ts';

export interface Gossip extends Pick<Network, 'publish' | 'subscribe'> {
  /** The libp2p service beneath; made once. */
  readonly service: (components: GossipSubComponents) => GossipSub;
}

export interface GossipDeps {
  readonly clock: Clock;
  readonly isBanned: (peer: PeerId) => boolean;
}

/** Far below gossipsub's graylist (-80): what such a peer sends is not even decoded. */
const BANNED_SCORE = -1_000_000;
/** An answer to IWANT carries several messages at once. */
const RPC_MESSAGES = 32;

/**
 * A message comes once from each neighbour in the mesh, and each copy is decrypted and decoded, so the mesh is thinner than gossipsub's defaults (4 to 12 neighbours,
 * and 6 more that are told every second what was heard). What it loses is asked for after a word from one of two others, and all is said again within seconds anyway.
 */
const mesh = {
  D: 4,
  Dlo: 3,
  Dhi: 6,
  Dscore: 2,
  Dout: 1,
  Dlazy: 2,
  gossipFactor: 0.1,
  // To say that one has a message already is a message, too: worth it only for a long one.
  idontwantMinDataSize: 32 * 1024,
} as const;

type Subscription = Parameters<Network['subscribe']>[1];

export function createGossip({ clock, isBanned }: GossipDeps, { maxGossipBytes }: { maxGossipBytes: number }): Gossip {
  const penalties = createGossipPenalties(clock);
  let pubsub: GossipSub | undefined;
  const running = (): GossipSub => {
    if (pubsub) return pubsub;
    throw new SwarmError('SWARM_CLOSED', 'the network has not started');
  };
  const create = gossipsub({
    globalSignaturePolicy: StrictSign,
    fallbackToFloodsub: false,
    floodPublish: false,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    ...mesh,
    // Seen by author and number, which the signature covers: copies from other neighbours are dropped before it is checked again.
    fastMsgIdFn: ({ from, seqno }) =>
      `${Buffer.from(from ?? []).toString('latin1')}/${Buffer.from(seqno ?? []).toString('latin1')}`,
    maxInboundDataLength: RPC_MESSAGES * maxGossipBytes,
    maxOutboundBufferSize: RPC_MESSAGES * maxGossipBytes,
    scoreParams: {
      // By default gossipsub punishes more than ten peers behind one address: a rack behind a NAT, a test on loopback.
      IPColocationFactorWeight: 0,
      // A host whose CPUs are all with its guests answers late now and then; by default three late answers silence it.
      behaviourPenaltyThreshold: 10,
      appSpecificWeight: 1,
      appSpecificScore: (peer) => (isBanned(peer as PeerId) ? BANNED_SCORE : penalties.scoreOf(peer as PeerId)),
    },
  });

  const subscriptions = new Map<string, Set<Subscription>>();
  const judge = (topic: string, neighbour: PeerId, received: Message): TopicValidatorResult => {
    const message = read(received, maxGossipBytes);
    if (message && isBanned(message.author)) return TopicValidatorResult.Ignore;
    const verdicts = new Set<GossipVerdict>();
    for (const { validate, onMessage } of subscriptions.get(topic) ?? []) {
      const verdict = message ? validate(message) : 'reject';
      verdicts.add(verdict);
      if (message && verdict === 'accept') onMessage(message);
    }
    if (verdicts.has('accept')) return TopicValidatorResult.Accept;
    if (!verdicts.has('reject')) return TopicValidatorResult.Ignore;
    penalties.add(neighbour);
    return TopicValidatorResult.Reject;
  };

  return {
    service: (components) => {
      pubsub = create(components);
      return pubsub;
    },
    async publish(topic, bytes) {
      if (bytes.byteLength > maxGossipBytes) {
        throw new SwarmError('SWARM_TOO_LARGE', `a message of ${bytes.byteLength} bytes, more than ${maxGossipBytes}`, {
          details: { topic },
        });
      }
      await running().publish(topic, bytes);
    },
    subscribe(topic, listener) {
      const gossip = running();
      const subscription = { ...listener };
      const all = subscriptions.get(topic) ?? new Set();
      subscriptions.set(topic, all.add(subscription));
      if (all.size === 1) {
        gossip.topicValidators.set(topic, (neighbour, received) => judge(topic, peerIdOf(neighbour), received));
        gossip.subscribe(topic);
      }
      return () => {
        if (!all.delete(subscription) || all.size > 0) return;
        subscriptions.delete(topic);
        gossip.unsubscribe(topic);
        gossip.topicValidators.delete(topic);
      };
    },
  };
}

/** Undefined for what no subscriber is asked about: unsigned, too large, or by a key that is no member's. */
function read(message: Message, maxGossipBytes: number): GossipMessage | undefined {
  if (message.type !== 'signed' || message.from.type !== 'Ed25519' || message.data.byteLength > maxGossipBytes)
    return undefined;
  return { author: peerIdOf(message.from), bytes: message.data };
}
