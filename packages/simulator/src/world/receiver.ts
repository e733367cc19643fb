import { maskedBytes } from '@quarry/content';
import type { FetchAction, GivenPiece } from '@quarry/swarm/scheduler';
import { DEAD_NOTICE_MS } from './notice.ts';
import { startOriginRead } from './origin-read.ts';
import { endpointOf } from './sim-node.ts';
import type { SimNode } from './sim-node.ts';
import type { Transfer } from './transfers.ts';

/** One request from one node to another, as both see it. */
export interface Exchange {
  readonly receiver: SimNode;
  readonly pack: number;
  readonly piece: number;
  readonly mask: number;
  readonly bytes: number;
  /** The sender's number for it. */
  id: number;
  readonly transfer: Transfer | undefined;
  refused(why: 'busy' | 'absent', queueLength?: number): void;
  flowing(transfer: Transfer): void;
  /** The stream ended before the answer. */
  broken(): void;
  arrived(isGood: boolean): void;
}

type ReceiverAction = Extract<FetchAction, { readonly kind: 'request' | 'ask' | 'readLastResort' | 'cancel' }>;

/** The side that asks: does what the scheduler wants done, and tells it what came of it. */
export interface Receiver {
  perform(action: ReceiverAction): void;
  /** Tells the scheduler which of the long requests have moved since the last look. */
  sweep(): void;
  die(): void;
}

/** Progress of what is younger is not told: nobody takes it for late. */
const SWEEP_AGE_MS = 80;

interface Outgoing {
  transfer?: Transfer | undefined;
  seenBytes: number;
  readonly sinceMs: number;
  readonly passedBytes: () => number;
  /** Tells the other side that it is not wanted any more. */
  readonly cancel: () => void;
  /** The other side notices that this one has gone. */
  readonly missed: () => void;
  /** A read of the store ends with the process. */
  readonly isRead?: boolean;
}

export function createReceiver(node: SimNode): Receiver {
  const { world } = node;
  const outgoing = new Map<number, Outgoing>();
  let isDead = false;

  const receive = (request: number, given: GivenPiece, isGood: boolean, isAsk: boolean): void => {
    const verifyMs = world.storm.control.verifyMs * world.wire.slowness(node.endpoint);
    world.queue.at(world.queue.nowMs + verifyMs, () => {
      if (isDead || !outgoing.delete(request)) return;
      if (!isGood && world.verifies) {
        world.counts.badPieces += 1;
        node.say({ kind: 'failed', request, reason: 'bad' });
        return;
      }
      const pack = world.packs.indexOf(given.pack);
      const { piece, mask } = given;
      const descriptor = world.packs.descriptors[pack];
      if (!descriptor) return;
      const bytes = maskedBytes(descriptor, piece, mask);
      const known = (node.have.get(pack)?.[piece] ?? 0) & mask;
      if (known !== 0) world.counts.wastedBytes += maskedBytes(descriptor, piece, known);
      node.say({ kind: 'verified', request, given: isAsk ? given : undefined });
      node.write(bytes, () => {
        node.becomePresent(pack, piece, mask, isGood);
        node.say({ kind: 'landed', request });
      });
    });
  };

  const startRequest = (action: ReceiverAction & { kind: 'request' }): void => {
    const { request, piece, mask } = action;
    const to = endpointOf(action.peer);
    const pack = world.packs.indexOf(action.pack);
    const descriptor = world.packs.descriptors[pack];
    if (!descriptor) return;
    let isOver = false;
    const own: Outgoing = {
      transfer: undefined,
      seenBytes: 0,
      sinceMs: world.queue.nowMs,
      passedBytes: () => own.transfer?.passedBytes() ?? 0,
      cancel() {
        isOver = true;
        world.wire.send(node.endpoint, to, () => {
          world.counts.wastedBytes += world.nodes[to]?.sender.drop(exchange) ?? 0;
        });
      },
      missed() {
        isOver = true;
        world.counts.wastedBytes += world.nodes[to]?.sender.drop(exchange) ?? 0;
      },
    };
    outgoing.set(request, own);
    const exchange: Exchange = {
      receiver: node,
      pack,
      piece,
      mask,
      bytes: maskedBytes(descriptor, piece, mask),
      id: 0,
      get transfer() {
        return own.transfer;
      },
      refused(why, queueLength) {
        world.counts[why] += 1;
        world.wire.send(to, node.endpoint, () => {
          if (isOver || !outgoing.delete(request)) return;
          isOver = true;
          node.say({ kind: 'failed', request, reason: why, queueLength });
        });
      },
      flowing(transfer) {
        own.transfer = transfer;
      },
      broken() {
        if (isOver || !outgoing.delete(request)) return;
        isOver = true;
        node.say({ kind: 'failed', request, reason: 'error' });
      },
      arrived(isGood) {
        if (isOver) {
          world.counts.wastedBytes += exchange.bytes;
          return;
        }
        isOver = true;
        receive(request, { pack: action.pack, piece, mask }, isGood, false);
      },
    };
    world.wire.send(node.endpoint, to, () => {
      const other = world.nodes[to];
      if (isOver || !other?.isAlive) return;
      // Connected no more: the stream is refused.
      if (other.connections.has(node.endpoint)) other.sender.arrive(exchange);
      else world.wire.send(to, node.endpoint, () => exchange.broken());
    });
  };

  const startAsk = (action: ReceiverAction & { kind: 'ask' }): void => {
    const { request, entries } = action;
    const to = endpointOf(action.seeder);
    const seeder = world.seeders.find(({ endpoint }) => endpoint === to);
    if (!seeder) return;
    const ask = seeder.nextAsk();
    const own: Outgoing = {
      transfer: undefined,
      seenBytes: 0,
      sinceMs: world.queue.nowMs,
      passedBytes: () => own.transfer?.passedBytes() ?? 0,
      cancel() {
        world.wire.send(node.endpoint, to, () => seeder.withdraw(ask));
      },
      missed: () => seeder.withdraw(ask),
    };
    outgoing.set(request, own);
    world.wire.send(node.endpoint, to, () => {
      if (outgoing.get(request) !== own) return;
      seeder.ask(ask, node, entries, {
        answered: (answer) => {
          world.wire.send(to, node.endpoint, () => {
            if (outgoing.get(request) !== own) return;
            outgoing.delete(request);
            node.say({ ...answer, request });
          });
        },
        flowing: (transfer) => {
          own.transfer = transfer;
          world.wire.send(to, node.endpoint, () => {
            if (outgoing.get(request) === own) node.say({ kind: 'progress', request });
          });
        },
        arrived: (given) => {
          if (outgoing.get(request) === own) receive(request, given, true, true);
        },
        broken: () => {
          if (outgoing.get(request) !== own) return;
          outgoing.delete(request);
          node.say({ kind: 'failed', request, reason: 'error' });
        },
      });
    });
  };

  const startRead = (action: ReceiverAction & { kind: 'readLastResort' }): void => {
    const { request } = action;
    const read = startOriginRead(node, action, {
      arrived: ({ request: number, piece, mask }) => {
        if (isDead) return;
        outgoing.set(number, {
          seenBytes: 0,
          sinceMs: world.queue.nowMs,
          passedBytes: () => 0,
          cancel() {},
          missed() {},
        });
        receive(number, { pack: action.pack, piece, mask }, true, false);
      },
      failed: () => {
        if (outgoing.delete(request)) node.say({ kind: 'failed', request, reason: 'error' });
      },
      waits: () => {
        if (!world.wire.isStalled(node.endpoint)) node.say({ kind: 'progress', request, isWaiting: true });
      },
      over: () => void outgoing.delete(request),
    });
    const cancel = (): void => read.cancel();
    outgoing.set(request, {
      seenBytes: 0,
      sinceMs: world.queue.nowMs,
      passedBytes: read.passedBytes,
      cancel,
      missed: cancel,
      isRead: true,
    });
  };

  return {
    perform(action) {
      if (action.kind === 'request') startRequest(action);
      else if (action.kind === 'ask') startAsk(action);
      else if (action.kind === 'readLastResort') startRead(action);
      else if (action.kind === 'cancel') {
        const own = outgoing.get(action.request);
        outgoing.delete(action.request);
        own?.cancel();
      }
    },
    sweep() {
      for (const [request, own] of outgoing) {
        if (world.queue.nowMs - own.sinceMs < SWEEP_AGE_MS) continue;
        const passed = own.passedBytes();
        if (passed <= own.seenBytes) continue;
        own.seenBytes = passed;
        node.say({ kind: 'progress', request });
      }
    },
    die() {
      isDead = true;
      const lost = [...outgoing.values()];
      outgoing.clear();
      for (const own of lost) own.transfer?.setCap(0);
      for (const own of lost) if (own.isRead === true) own.cancel();
      world.queue.at(world.queue.nowMs + DEAD_NOTICE_MS, () => {
        for (const own of lost) own.missed();
      });
    },
  };
}
