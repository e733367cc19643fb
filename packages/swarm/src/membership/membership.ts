import { shuffled } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { GossipVerdict, Network, PeerId } from '../ports/network.ts';
import { decodeHelloAnswer, encodeHelloAnswer } from '../protocol/hello.ts';
import type { HelloAnswer } from '../protocol/hello.ts';
import { decodeMemberRecord, encodeMemberRecord } from '../protocol/member-record.ts';
import type { MemberRecord } from '../protocol/member-record.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols, topics } from '../protocol/protocol-names.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import { SwarmError } from '../swarm-error.ts';
import { createDialPlan } from './dial-plan.ts';
import { createMemberTable } from './member-table.ts';
import type { Member } from './member-table.ts';
import { createExcess } from './excess.ts';
import { hasZones, neighboursOf } from './neighbours.ts';
import type { Neighbour } from './neighbours.ts';

export interface MembershipOptions {
  readonly role: Role;
  readonly zone: string;
  readonly memberTtlMs: number;
  readonly targetDegree: number;
  readonly maxZoneMates: number;
  readonly excessIdleMs: number;
  readonly maxMembers: number;
  readonly dialIntervalMs: number;
  readonly concurrentDials: number;
  readonly dialYieldMs: number;
  readonly firstDialPauseMs: number;
  readonly maxDialPauseMs: number;
  readonly helloTimeoutMs: number;
}

export interface MembershipEvents {
  /** A connected peer has said who it is: from now on it can be asked. */
  readonly peerReady: (peer: PeerId, role: Role) => void;
  readonly peerLost: (peer: PeerId) => void;
  /** A member has gone for good, or has not been heard of in time. */
  readonly memberGone: (peer: PeerId, saidGoodbye: boolean) => void;
  readonly membersChanged: (count: number) => void;
  /** When a piece last passed between this node and a peer; undefined: not since it connected. */
  readonly lastUsedMs?: (peer: PeerId) => number | undefined;
}

/** Who is there: tells the cluster of this node, hears of the others, and keeps this node connected to its neighbours. */
export interface Membership {
  start(events: MembershipEvents): void;
  /** Says goodbye and stops. */
  stop(): Promise<void>;
  /** Connected peers that have said who they are. */
  ready(): ReadonlyMap<PeerId, Role>;
  /** Drops a member that was banned. */
  forget(peer: PeerId): void;
  find(peer: PeerId): Member | undefined;
  all(): Iterable<Member>;
  /** Whether the two should be connected. Of others a connection that ends says nothing: it may have been one too many. */
  isNeighbour(peer: PeerId): boolean;
  /** Whether the nodes known are of more than one zone. */
  readonly isZoned: boolean;
  /** Members, this node included. */
  readonly count: number;
  /** Connects to a member; rejects like Network.dial. */
  connect(peer: PeerId, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

export function createMembership(
  deps: { readonly network: Network; readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  options: MembershipOptions,
): Membership {
  const { network, clock, random, logger } = deps;
  const self: Neighbour = { peer: network.peerId, role: options.role, zone: options.zone };
  const table = createMemberTable({ self: self.peer, maxMembers: options.maxMembers });
  const plan = createDialPlan(self, {
    concurrentDials: options.concurrentDials,
    yieldMs: options.dialYieldMs,
    firstPauseMs: options.firstDialPauseMs,
    maxPauseMs: options.maxDialPauseMs,
  });
  const excess = createExcess({ idleMs: options.excessIdleMs });
  const ready = new Map<PeerId, Role>();
  const hints = new Map<PeerId, readonly string[]>();
  /** Whom this object dialled: who dials hangs up. What the network dials by itself (bootstrap addresses) it would only dial again. */
  const dialled = new Set<PeerId>();
  const stops: (() => void)[] = [];
  const stopping = new AbortController();
  let events: MembershipEvents | undefined;
  let neighbours: ReadonlySet<PeerId> = new Set();
  let neighboursVersion = -1;
  let isZoned = false;
  let zonedVersion = -1;
  // Starts from the calendar so that it grows over restarts; a clock that was set back is overtaken by the left member's expiry.
  let sequence = Math.floor(clock.wallMs()) * 1000;

  const ownRecord = (ttlMs: number): MemberRecord => ({
    peer: self.peer,
    role: options.role,
    zone: options.zone,
    addresses: network.addresses().slice(0, protocolLimits.maxAddresses),
    sequence: (sequence += 1),
    sentAtMs: Math.floor(clock.wallMs()),
    ttlMs,
  });
  const publish = async (ttlMs: number): Promise<void> => {
    await network.publish(topics.members, encodeMemberRecord(ownRecord(ttlMs))).catch((error: unknown) => {
      logger.debug('cannot announce this node', { error: String(error) });
    });
  };
  const changed = (): void => events?.membersChanged(table.size + 1);
  const becomeReady = (peer: PeerId, role: Role): void => {
    if (ready.get(peer) === role || !network.peers().includes(peer)) return;
    ready.set(peer, role);
    events?.peerReady(peer, role);
  };
  const hear = (record: MemberRecord): void => {
    const heard = table.hear(record, clock.now());
    if (heard === 'stale') return;
    if (heard === 'left') events?.memberGone(record.peer, true);
    else becomeReady(record.peer, record.role);
    if (heard !== 'renewed') changed();
  };
  const validate = (author: PeerId, bytes: Uint8Array): GossipVerdict => {
    try {
      const record = decodeMemberRecord(bytes);
      if (record.peer !== author) return 'reject'; // nobody speaks for another
      const known = table.find(author)?.record.sequence ?? -1;
      return record.sequence > known ? 'accept' : 'ignore';
    } catch {
      return 'reject';
    }
  };

  const someHints = (asker: PeerId): HelloAnswer['hints'] => {
    const known = [...table.all()].filter(({ record }) => record.peer !== asker && record.addresses.length > 0);
    return shuffled(known, random)
      .slice(0, protocolLimits.maxHints)
      .map(({ record: { peer, addresses } }) => ({ peer, addresses }));
  };
  const sayHello = async (peer: PeerId): Promise<void> => {
    const signal = AbortSignal.any([stopping.signal, timeout(clock, options.helloTimeoutMs)]);
    const bytes = await network.request(peer, protocols.hello, encodeMemberRecord(ownRecord(options.memberTtlMs)), {
      signal,
      maxBytes: protocolLimits.maxHelloBytes,
    });
    const answer = decodeHelloAnswer(bytes);
    if (answer.record.peer !== peer) throw new SwarmError('SWARM_BAD_MESSAGE', 'the peer says it is somebody else');
    for (const hint of answer.hints) if (hint.peer !== self.peer) hints.set(hint.peer, hint.addresses);
    hear(answer.record);
    becomeReady(peer, answer.record.role);
    dialMissing();
  };
  const meet = (peer: PeerId): void => {
    sayHello(peer).catch((error: unknown) => {
      if (stopping.signal.aborted || !network.peers().includes(peer)) return;
      logger.debug('no answer to a hello', { peer, error: String(error) });
      if (error instanceof SwarmError && error.code === 'SWARM_BAD_MESSAGE') return network.ban(peer, error.message);
      const cancel = clock.after(options.helloTimeoutMs / 2, () => {
        if (network.peers().includes(peer) && !ready.has(peer)) meet(peer);
      });
      stopping.signal.addEventListener('abort', cancel, { once: true });
    });
  };

  const dial = (peer: PeerId, addresses: readonly string[]): void => {
    dialled.add(peer);
    network.dial(peer, addresses, { signal: stopping.signal }).then(
      () => plan.ended(peer, true, clock.now()),
      (error: unknown) => {
        plan.ended(peer, false, clock.now());
        if (!stopping.signal.aborted) logger.debug('cannot reach a member', { peer, error: String(error) });
      },
    );
  };
  const refreshNeighbours = (): void => {
    if (neighboursVersion === table.version) return;
    neighboursVersion = table.version;
    const members = [...table.all()].map(({ record }) => record);
    neighbours = new Set(neighboursOf(self, members, options));
  };
  /** Hints, seeks and former graphs leave connections that the graph does not need: they must not add up. */
  const hangUpExcess = (): void => {
    if (options.role === 'seeder') return;
    refreshNeighbours();
    const others = [...ready.keys()].filter(
      (peer) => dialled.has(peer) && !neighbours.has(peer) && table.find(peer)?.record.role === 'node',
    );
    for (const peer of excess.next(others, clock.now(), (other) => events?.lastUsedMs?.(other))) network.hangUp(peer);
  };
  const dialMissing = (): void => {
    if (stopping.signal.aborted) return;
    const connected = new Set(network.peers());
    refreshNeighbours();
    const missing = [...neighbours].flatMap((peer) => {
      const record = table.find(peer)?.record;
      return record && !connected.has(peer) ? [{ peer, role: record.role }] : [];
    });
    // Hearsay helps until enough members have spoken for themselves.
    if (options.role === 'node' && connected.size < options.targetDegree) {
      for (const peer of hints.keys()) {
        if (connected.has(peer) || table.find(peer)) hints.delete(peer);
        else if (missing.length + connected.size < options.targetDegree) missing.push({ peer, role: 'node' });
      }
    } else hints.clear();
    for (const peer of plan.next(missing, clock.now())) {
      dial(peer, table.find(peer)?.record.addresses ?? hints.get(peer) ?? []);
      hints.delete(peer);
    }
  };

  /** `work` at once and then every `intervalMs`, a little unevenly so that a cluster that started together does not beat together. */
  const repeat = (intervalMs: number, work: () => void): void => {
    const run = (): void => {
      if (stopping.signal.aborted) return;
      work();
      cancel = clock.after(intervalMs * (0.9 + 0.2 * random.next()), run);
    };
    let cancel = (): void => {};
    stops.push(() => cancel());
    run();
  };

  return {
    start(listener) {
      events = listener;
      stops.push(
        network.handle(protocols.hello, { maxRequestBytes: protocolLimits.maxMemberBytes }, async ({ peer, bytes }) => {
          const record = decodeMemberRecord(bytes);
          if (record.peer !== peer) throw new SwarmError('SWARM_BAD_MESSAGE', 'the peer says it is somebody else');
          hear(record);
          return encodeHelloAnswer({ record: ownRecord(options.memberTtlMs), hints: someHints(peer) });
        }),
        network.subscribe(topics.members, {
          validate: ({ author, bytes }) => validate(author, bytes),
          onMessage: ({ bytes }) => hear(decodeMemberRecord(bytes)),
        }),
        network.listen({
          peerConnected: meet,
          peerDisconnected: (peer) => {
            dialled.delete(peer);
            if (ready.delete(peer)) events?.peerLost(peer);
          },
        }),
      );
      for (const peer of network.peers()) meet(peer);
      repeat(options.memberTtlMs / 3, () => void publish(options.memberTtlMs));
      repeat(options.dialIntervalMs, () => {
        const gone = table.expire(clock.now());
        for (const peer of gone) events?.memberGone(peer, false);
        if (gone.length > 0) changed();
        dialMissing();
        hangUpExcess();
      });
    },
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort(new SwarmError('SWARM_CLOSED', 'the swarm is closing'));
      for (const stop of stops.splice(0)) stop();
      await publish(0);
    },
    ready: () => ready,
    forget(peer) {
      table.forget(peer);
      changed();
    },
    find: (peer) => table.find(peer),
    all: () => table.all(),
    isNeighbour(peer) {
      refreshNeighbours();
      return neighbours.has(peer);
    },
    get isZoned() {
      if (zonedVersion !== table.version) {
        zonedVersion = table.version;
        isZoned = hasZones(
          self,
          [...table.all()].map(({ record }) => record),
        );
      }
      return isZoned;
    },
    get count() {
      return table.size + 1;
    },
    connect: (peer, waiting = {}) => {
      dialled.add(peer);
      return network.dial(peer, table.find(peer)?.record.addresses ?? [], waiting);
    },
  };
}

/** Aborts after `ms`. */
function timeout(clock: Clock, ms: number): AbortSignal {
  const controller = new AbortController();
  clock.after(ms, () =>
    controller.abort(new SwarmError('SWARM_STALLED', `no answer within ${ms} ms`, { canRetry: true })),
  );
  return controller.signal;
}
