import type { PackDescriptor } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import type { FetchAction, FetchEvent, FetchWant } from '../../src/scheduler/fetch-events.ts';
import { createFetchScheduler } from '../../src/scheduler/fetch-scheduler.ts';
import { emptyMasks, fullMasks } from '../../src/scheduler/piece-masks.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import type { SchedulerOptions } from '../../src/scheduler/scheduler-options.ts';
import { createLinkPace } from '../../src/scheduler/link-pace.ts';
import { paceOf } from './pace.ts';
import { peerId, somePack } from './packs.ts';
import type { PeerId } from '../../src/ports/network.ts';

/** What most tests fetch. */
export const pack: PackDescriptor = somePack(80, 1); // 20 pieces of 4 chunks
export const all: PieceMasks = fullMasks(pack);
export const none: PieceMasks = emptyMasks(pack.pieceCount);
/** Runs of one piece, where runs are not what the test is about. */
export const oneByOne: Partial<SchedulerOptions> = { leaseRunBytes: 4 * 65536, leaseReads: 100, leaseFrontier: 100 };
export const [A, B, C, SEEDER]: [PeerId, PeerId, PeerId, PeerId] = [peerId('a'), peerId('b'), peerId('c'), peerId('s')];

type Kind = FetchAction['kind'];
export type Of<K extends Kind> = Extract<FetchAction, { readonly kind: K }>;

/** A scheduler that is told what happens, and keeps what it wants done until somebody looks. */
export function create({ window, ...options }: Partial<SchedulerOptions> & { readonly window?: number } = {}) {
  const pace = window === undefined ? createLinkPace() : paceOf(window);
  const scheduler = createFetchScheduler({ self: peerId('self'), random: createSeededRandom(1), pace }, options);
  let actions: FetchAction[] = [];
  const say = (event: FetchEvent, nowMs: number): void => void actions.push(...scheduler.handle(event, nowMs));
  return {
    ...scheduler,
    say,
    /** What was wanted since the last look, of one kind. */
    take<K extends Kind>(kind: K): Of<K>[] {
      const taken = actions.filter((action): action is Of<K> => action.kind === kind);
      actions = actions.filter((action) => action.kind !== kind);
      return taken;
    },
    want(need: PieceMasks, nowMs: number, more: Partial<FetchWant> = {}, fetch = 1) {
      say({ kind: 'fetch', fetch, giveUpMs: 60_000, wants: [{ descriptor: pack, need, have: none, ...more }] }, nowMs);
    },
    peer(peer: typeof A, masks: PieceMasks, nowMs: number) {
      say({ kind: 'peerJoined', peer, role: 'node' }, nowMs);
      say({ kind: 'peerHas', peer, pack: pack.id, masks }, nowMs);
    },
    /** A piece arrives, is written, is present. */
    arrive({ request, piece, mask }: { request: number; piece: number; mask: number }, nowMs: number) {
      say({ kind: 'verified', request }, nowMs);
      say({ kind: 'present', pack: pack.id, piece, mask }, nowMs);
      say({ kind: 'landed', request }, nowMs);
    },
    /** Time passes in small steps, as its wishes to be woken demand. */
    pass(fromMs: number, untilMs: number) {
      for (let nowMs = fromMs; nowMs < untilMs; ) {
        nowMs = Math.min(untilMs, Math.max(nowMs + 1, scheduler.wakeAtMs() ?? untilMs));
        say({ kind: 'tick' }, nowMs);
      }
    },
  };
}
