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

const results: Readonly<Record<GossipVerdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
};

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

  /** Undefined for what no subscriber is asked about. */
  const read = (message: Message): GossipMessage | undefined => {
    if (message.type !== 'signed' || message.data.byteLength > maxGossipBytes) return undefined;
    return { author: peerIdOf(message.from), bytes: message.data };
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
    subscribe(topic, { validate, onMessage }) {
      const gossip = running();
      if (gossip.topicValidators.has(topic)) throw new TypeError(`${topic} has its subscriber already`);
      gossip.topicValidators.set(topic, (neighbour, received) => {
        const message = read(received);
        if (message && isBanned(message.author)) return TopicValidatorResult.Ignore;
        const verdict = message ? validate(message) : 'reject';
        if (verdict === 'reject') penalties.add(peerIdOf(neighbour));
        if (verdict === 'accept' && message) onMessage(message);
        return results[verdict];
      });
      gossip.subscribe(topic);
      return () => {
        gossip.unsubscribe(topic);
        gossip.topicValidators.delete(topic);
      };
    },
  };
}
