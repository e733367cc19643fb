import { connect } from './gossip.ts';
import type { World } from './world.ts';

/** The daemon's: each side sends a ping so often, and breaks the connection when no answer comes in time. */
const PING_EVERY_MS = 20_000;
const PING_TIMEOUT_MS = 15_000;
/** A connection that is missing is dialled so much later, each time it fails twice as much. */
const FIRST_DIAL_PAUSE_MS = 1000;
const MAX_DIAL_PAUSE_MS = 60_000;
/** What TCP sends again while nobody answers, until the daemon gives the dial up. */
const SYN_MS = [0, 1000, 3000, 7000];
/** Dialling and the handshakes. */
const DIAL_HOPS = 6;

/** Breaks the connections of those who have not reached each other for long, and makes them anew when they can, as membership does in the daemon. */
export function keepConnections(world: World): void {
  const { wire, queue, random, nodes, storm } = world;
  const heldUp = new Set<string>();

  const isConnected = (a: number, b: number): boolean => nodes[a]?.connections.has(b) === true;
  const watch = (a: number, b: number): void => {
    const pair = `${a} ${b}`;
    if (heldUp.has(pair) || !isConnected(a, b) || !wire.isHeldUp(a, b)) return;
    heldUp.add(pair);
    const sinceMs = queue.nowMs;
    const stop = wire.onChange(() => {
      if (wire.isHeldUp(a, b)) return;
      heldUp.delete(pair);
      stop();
    });
    queue.at(sinceMs + PING_TIMEOUT_MS + PING_EVERY_MS * random.next(), () => {
      stop();
      if (!heldUp.delete(pair) || !isConnected(a, b)) return;
      if (wire.isHeldUp(a, b)) cut(a, b);
    });
  };
  const cut = (a: number, b: number): void => {
    wire.cut(a, b);
    lose(a, b);
    lose(b, a);
    dialAgain(a, b, FIRST_DIAL_PAUSE_MS);
  };
  /** Who stalls sees it when that ends. */
  const lose = (endpoint: number, other: number): void => {
    if (wire.isStalled(endpoint)) {
      const stop = wire.onChange(() => {
        if (wire.isStalled(endpoint)) return;
        stop();
        if (!wire.isDead(endpoint)) lose(endpoint, other);
      });
      return;
    }
    nodes[endpoint]?.part(other);
    world.seeders.find((seeder) => seeder.endpoint === endpoint && seeder.isAlive)?.peerGone(other);
  };
  const dialAgain = (a: number, b: number, pauseMs: number): void => {
    queue.at(queue.nowMs + pauseMs, () => {
      const dial = (attempt: number): void => {
        if (wire.isDead(a) || wire.isDead(b) || nodes[a]?.isJoined !== true || isConnected(a, b)) return;
        if (!wire.isHeldUp(a, b)) return meet(a, b);
        const [nowMs, nextMs] = [SYN_MS[attempt] ?? 0, SYN_MS[attempt + 1]];
        if (nextMs === undefined) dialAgain(a, b, Math.min(MAX_DIAL_PAUSE_MS, 2 * pauseMs));
        else queue.at(queue.nowMs + nextMs - nowMs, () => dial(attempt + 1));
      };
      dial(0);
    });
  };
  const meet = (a: number, b: number): void => {
    queue.at(queue.nowMs + DIAL_HOPS * storm.control.hopMs, () => {
      const [one, other] = [nodes[a], nodes[b]];
      if (wire.isDead(a) || wire.isDead(b) || !one || isConnected(a, b)) return;
      if (wire.isHeldUp(a, b)) return dialAgain(a, b, FIRST_DIAL_PAUSE_MS);
      if (other) connect(one, other);
      else one.meet(b, 'seeder');
    });
  };

  wire.onChange(() => {
    for (const [a, { connections }] of nodes.entries()) for (const b of connections) if (b > a) watch(a, b);
  });
}
