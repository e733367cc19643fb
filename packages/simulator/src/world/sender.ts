import { createSenderSlots } from '@quarry/swarm/scheduler';
import type { SimNode } from './sim-node.ts';
import type { Exchange } from './receiver.ts';

/** The side that serves pieces: the production slots in front of the host's uplink. */
export interface Sender {
  /** A request has arrived. */
  arrive(exchange: Exchange): void;
  /** The receiver does not want it any more, or has gone. Returns the bytes that had left for nothing. */
  drop(exchange: Exchange): number;
  /** The connection to a receiver is gone. */
  peerGone(endpoint: number): void;
  /** Shows everything, has nothing. */
  lie: 'badChunks' | 'falseHaves' | undefined;
  readonly serving: number;
  die(): void;
}

export function createSender(node: SimNode): Sender {
  const { world } = node;
  const slots = createSenderSlots(() => node.pace.slots);
  const exchanges = new Map<number, Exchange>();
  let lastId = 0;

  const leave = (id: number): void => {
    exchanges.delete(id);
    const next = slots.leave(id);
    const admitted = next === undefined ? undefined : exchanges.get(next);
    if (admitted && next !== undefined) serve(next, admitted);
  };
  const serve = (id: number, exchange: Exchange): void => {
    const isHeld = node.holds(exchange.pack, exchange.piece, exchange.mask) && sender.lie !== 'falseHaves';
    if (!isHeld) {
      leave(id);
      exchange.refused('absent');
      return;
    }
    exchange.flowing(
      world.transfers.start(
        node.endpoint,
        exchange.receiver.endpoint,
        exchange.bytes,
        () => {
          node.pace.sent(exchange.bytes, world.queue.nowMs);
          exchange.arrived(sender.lie !== 'badChunks' && node.isGood(exchange.pack, exchange.piece, exchange.mask));
          leave(id);
        },
        {
          piece: exchange,
          broken: () => {
            leave(id);
            exchange.broken();
          },
        },
      ),
    );
  };
  const sender: Sender = {
    lie: undefined,
    arrive(exchange) {
      lastId += 1;
      const id = lastId;
      const verdict = slots.arrive(id, exchange.receiver.peer);
      if (verdict.kind === 'busy') {
        exchange.refused('busy', verdict.queueLength);
        return;
      }
      exchange.id = id;
      exchanges.set(id, exchange);
      if (verdict.kind === 'serve') serve(id, exchange);
    },
    drop(exchange) {
      if (exchanges.get(exchange.id) !== exchange) return 0;
      const wasted = exchange.transfer?.cancel() ?? 0;
      leave(exchange.id);
      return wasted;
    },
    peerGone(endpoint) {
      for (const exchange of exchanges.values())
        if (exchange.receiver.endpoint === endpoint) world.counts.wastedBytes += sender.drop(exchange);
    },
    get serving() {
      return slots.serving;
    },
    die() {
      for (const exchange of exchanges.values()) world.counts.wastedBytes += exchange.transfer?.cancel() ?? 0;
      exchanges.clear();
    },
  };
  return sender;
}
