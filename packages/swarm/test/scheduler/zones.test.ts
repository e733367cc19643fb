import fc from 'fast-check';
import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import type { FetchAction, FetchEvent } from '../../src/scheduler/fetch-events.ts';
import { createFetchScheduler } from '../../src/scheduler/fetch-scheduler.ts';
import { emptyMasks, fullMasks } from '../../src/scheduler/piece-masks.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import { memberKey, pieceScore } from '../../src/scheduler/rendezvous.ts';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import type { SchedulerOptions } from '../../src/scheduler/scheduler-options.ts';
import { SchedulerPeer } from '../../src/scheduler/scheduler-peer.ts';
import { WantedPack } from '../../src/scheduler/wanted-pack.ts';
import type { Crossing } from '../../src/scheduler/wanted-pack.ts';
import { createLinkPace } from '../../src/scheduler/link-pace.ts';
import { paceOf } from './pace.ts';
import { peerId, somePack } from './packs.ts';

const pack = somePack(80, 1); // 20 pieces of 4 chunks
const all = fullMasks(pack);
const none = emptyMasks(pack.pieceCount);
const SELF = peerId('self');
const [MATE, OTHER_MATE, FAR, FAR_TOO] = [peerId('mate'), peerId('other mate'), peerId('far'), peerId('far too')];
const { crossRankMs, minFarWindow } = schedulerDefaults;

/** Members of the zone in the order in which they fetch a piece from outside. */
const ranked = (piece: number, members: readonly PeerId[]): PeerId[] =>
  members.toSorted((a, b) => pieceScore(memberKey(b, pack.id), piece) - pieceScore(memberKey(a, pack.id), piece));
const rankOf = (piece: number, mates: readonly PeerId[]): number => ranked(piece, [SELF, ...mates]).indexOf(SELF);
const piecesOfRank = (rank: number, mates: readonly PeerId[]): number[] =>
  [...none.keys()].filter((piece) => rankOf(piece, mates) === rank);
const only = (pieces: readonly number[], mask = 0b1111): PieceMasks => {
  const masks = none.slice();
  for (const piece of pieces) masks[piece] = mask;
  return masks;
};

type Request = Extract<FetchAction, { readonly kind: 'request' }>;

function create(mates: readonly PeerId[], need: PieceMasks = all, options: Partial<SchedulerOptions> = {}) {
  const scheduler = createFetchScheduler({ self: SELF, random: createSeededRandom(1) }, options);
  const requests: Request[] = [];
  const say = (event: FetchEvent, nowMs: number): void => {
    for (const action of scheduler.handle(event, nowMs)) if (action.kind === 'request') requests.push(action);
  };
  say({ kind: 'fetch', fetch: 1, giveUpMs: 600_000, wants: [{ descriptor: pack, need, have: none }] }, 0);
  say({ kind: 'wanters', pack: pack.id, members: mates, near: mates }, 0);
  return {
    say,
    take: () => requests.splice(0),
    join(peer: PeerId, isNear: boolean, nowMs: number) {
      say({ kind: 'peerJoined', peer, role: 'node', isNear }, nowMs);
    },
    show(peer: PeerId, masks: PieceMasks, nowMs: number) {
      say({ kind: 'peerHas', peer, pack: pack.id, masks }, nowMs);
    },
    arrive({ request, piece, mask }: Request, nowMs: number) {
      say({ kind: 'verified', request }, nowMs);
      say({ kind: 'present', pack: pack.id, piece, mask }, nowMs);
      say({ kind: 'landed', request }, nowMs);
    },
    /** Passes time in the steps that it asks for; everything asked for arrives at once. Returns what was asked, and when. */
    fetchUntil(fromMs: number, untilMs: number) {
      const asked: (Request & { readonly atMs: number })[] = [];
      for (let nowMs = fromMs; nowMs <= untilMs; ) {
        say({ kind: 'tick' }, nowMs);
        for (let some = requests.splice(0); some.length > 0; some = requests.splice(0)) {
          for (const request of some) {
            asked.push({ ...request, atMs: nowMs });
            this.arrive(request, nowMs);
          }
        }
        nowMs = Math.max(nowMs + 1, scheduler.wakeAtMs() ?? Infinity);
      }
      return asked;
    },
  };
}

describe('who of a zone fetches a piece from outside', () => {
  test('the leader at once, and no other', () => {
    const scheduler = create([MATE]);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    const asked = scheduler.fetchUntil(0, crossRankMs - 1);
    expect(asked.map(({ piece }) => piece).sort((a, b) => a - b)).toEqual(piecesOfRank(0, [MATE]));
  });

  test('all agree on it: each piece has one leader among those who want the pack', () => {
    const members = [SELF, MATE, OTHER_MATE];
    const asked = members.flatMap((self) => {
      const scheduler = createFetchScheduler({ self, random: createSeededRandom(1), pace: paceOf(100, 200) });
      const mates = members.filter((member) => member !== self);
      const known = { shown: [], elsewhere: none, wanters: mates, nearWanters: mates };
      scheduler.handle({ kind: 'peerJoined', peer: FAR, role: 'node', isNear: false }, 0);
      const wants = [{ descriptor: pack, need: all, have: none, known }];
      scheduler.handle({ kind: 'fetch', fetch: 1, giveUpMs: 60_000, wants }, 0);
      const actions = scheduler.handle({ kind: 'peerHas', peer: FAR, pack: pack.id, masks: all }, 0);
      return actions.flatMap((action) => (action.kind === 'request' ? [action.piece] : []));
    });
    expect(asked.sort((a, b) => a - b)).toEqual([...none.keys()]);
  });

  test('what a zone mate shows is asked of it alone, whoever else has it', () => {
    const scheduler = create([MATE]);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    scheduler.take();
    const fresh = create([MATE]);
    fresh.join(MATE, true, 0);
    fresh.join(FAR, false, 0);
    fresh.show(MATE, all, 0);
    fresh.show(FAR, all, 0);
    const asked = fresh.fetchUntil(0, 100);
    expect(asked).toHaveLength(20);
    expect(new Set(asked.map(({ peer }) => peer))).toEqual(new Set([MATE]));
  });

  test('of a piece that a zone mate has in part the rest crosses', () => {
    const [piece = 0] = piecesOfRank(0, [MATE]);
    const scheduler = create([MATE], only([piece]));
    scheduler.join(MATE, true, 0);
    scheduler.show(MATE, only([piece], 0b0011), 0);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    expect(scheduler.take()).toMatchObject([
      { peer: MATE, piece, mask: 0b0011 },
      { peer: FAR, piece, mask: 0b1100 },
    ]);
  });

  test('a leader has few requests to other zones out, and a node without mates its whole window', () => {
    for (const [mates, room] of [
      [[MATE, OTHER_MATE, peerId('third'), peerId('fourth')], minFarWindow],
      [[], createLinkPace().slots.window],
    ] as const) {
      const scheduler = create(mates);
      const peers = ['f', 'g', 'h', 'i', 'j', 'k'].map(peerId);
      for (const peer of peers) scheduler.join(peer, false, 0);
      for (const peer of peers) scheduler.show(peer, all, 0);
      const led = mates.length === 0 ? 20 : piecesOfRank(0, mates).length;
      expect(scheduler.take()).toHaveLength(Math.min(led, room));
    }
  });

  test('when its leader shows nothing, the next takes a piece over after its patience, and rank r after r times that', () => {
    const mates = [MATE, OTHER_MATE];
    const scheduler = create(mates);
    for (const mate of mates) scheduler.join(mate, true, 0);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    const asked = scheduler.fetchUntil(0, 4 * crossRankMs);
    expect(asked).toHaveLength(20);
    for (const { piece, atMs } of asked) {
      const rank = rankOf(piece, mates);
      expect(atMs).toBeGreaterThanOrEqual(rank * crossRankMs);
      expect(atMs).toBeLessThanOrEqual(rank * crossRankMs + 200);
    }
  });

  test('while its leader shows others of its pieces, one is left to it, but not for ever', () => {
    const scheduler = create([MATE], all, { crossSkipMs: 3000 });
    scheduler.join(MATE, true, 0);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    scheduler.fetchUntil(0, 0);
    const led = piecesOfRank(1, [MATE]);
    const shown: number[] = [];
    for (let nowMs = 0; nowMs < 3000; nowMs += 900) {
      shown.push(led[shown.length] ?? 0);
      scheduler.show(MATE, only(shown), nowMs);
      const asked = scheduler.fetchUntil(nowMs, Math.min(nowMs + 899, 2999));
      expect(asked).toMatchObject([{ peer: MATE, piece: shown.at(-1) }]);
    }
    const late = scheduler.fetchUntil(3000, 3200);
    expect(late).toHaveLength(led.length - shown.length);
    for (const { peer } of late) expect(peer).toBe(FAR);
  });

  test('a leader whose connection breaks is passed over at once', () => {
    const scheduler = create([MATE]);
    scheduler.join(MATE, true, 0);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    scheduler.fetchUntil(0, 10);
    scheduler.say({ kind: 'peerLeft', peer: MATE }, 20);
    const asked = scheduler.fetchUntil(20, 30);
    expect(asked.map(({ piece }) => piece).sort((a, b) => a - b)).toEqual(piecesOfRank(1, [MATE]));
  });

  test('a leader that does not want the pack any more leaves its pieces to the next', () => {
    const scheduler = create([MATE]);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    scheduler.fetchUntil(0, 10);
    scheduler.say({ kind: 'wanters', pack: pack.id, members: [], near: [] }, 20);
    expect(scheduler.fetchUntil(20, 30)).toHaveLength(piecesOfRank(1, [MATE]).length);
  });

  test('a stalled request to a zone mate is hedged with another zone', () => {
    const need = only([3]);
    const scheduler = create([MATE], need);
    scheduler.join(MATE, true, 0);
    scheduler.show(MATE, all, 0);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    expect(scheduler.take()).toMatchObject([{ peer: MATE }]);
    for (let nowMs = 100; nowMs < 1500; nowMs += 50) scheduler.say({ kind: 'tick' }, nowMs);
    expect(scheduler.take()).toMatchObject([{ peer: FAR, piece: 3, isHedge: true }]);
  });

  test('zone mates that are too slow do not keep a node from others', () => {
    const scheduler = create([]);
    scheduler.join(MATE, true, 0);
    scheduler.show(MATE, all, 0);
    for (const peer of [FAR, FAR_TOO]) scheduler.join(peer, false, 0);
    for (const peer of [FAR, FAR_TOO]) scheduler.show(peer, all, 0);
    const held = scheduler.take();
    expect(held.every(({ peer }) => peer === MATE)).toBe(true);
    for (let nowMs = 100; nowMs < 5000; nowMs += 100) {
      for (const { request } of held) scheduler.say({ kind: 'progress', request }, nowMs);
      scheduler.say({ kind: 'tick' }, nowMs);
    }
    const others = scheduler.take().filter(({ peer, isHedge }) => peer !== MATE && !isHedge);
    expect(others.length).toBe(createLinkPace().slots.window - held.length);
  });

  test('a node that is held back by its own download limit does not take its zone mates for slow', () => {
    const scheduler = create([]);
    scheduler.say({ kind: 'rates', downloadBytesPerSecond: 100_000 }, 0);
    for (const [peer, isNear] of [
      [MATE, true],
      [FAR, false],
    ] as const) {
      scheduler.join(peer, isNear, 0);
      scheduler.show(peer, all, 0);
    }
    for (const request of scheduler.take()) scheduler.arrive(request, 0);
    const asked = scheduler.fetchUntil(1, 30_000);
    expect(asked.length).toBeGreaterThan(3);
    for (const { peer } of asked) expect(peer).toBe(MATE);
  });

  test('a member of another zone that turns out to be of this one is a zone mate from then on', () => {
    const scheduler = create([MATE]);
    scheduler.join(FAR, false, 0);
    scheduler.show(FAR, all, 0);
    scheduler.fetchUntil(0, 10);
    scheduler.join(FAR, true, 20);
    const asked = scheduler.fetchUntil(20, 30);
    expect(asked).toHaveLength(piecesOfRank(1, [MATE]).length);
  });
});

test('what is counted as open to each peer is what a recount finds, whatever changes', () => {
  const step = fc.tuple(fc.nat(5), fc.nat(19), fc.nat(15), fc.nat(3));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const wanted = new WantedPack(pack, { unmet: 0, distant: 0, gains: 0 });
      const peers = [true, true, false, false].map((near, i) => new SchedulerPeer(peerId(`p${i}`), 'node', near));
      for (const [kind, piece, mask, which] of steps) {
        const peer = peers[which] as SchedulerPeer;
        if (kind === 0) wanted.setNeed(piece, mask);
        else if (kind === 1) wanted.setFlying(piece, mask);
        else if (kind === 2) wanted.setElsewhere(piece, mask);
        else if (kind === 3) wanted.setCrossing(piece, (mask % 3) as Crossing);
        else {
          const masks = peer.packs.get(wanted)?.masks.slice() ?? none.slice();
          masks[piece] = mask;
          if (kind === 4) wanted.setPeerMasks(peer, masks);
          else wanted.clearPeerMask(peer, piece, mask);
        }
        for (const each of peers) {
          const shown = each.packs.get(wanted)?.masks ?? none;
          const open = [...shown.keys()].filter((p) => (wanted.openTo(each, p) & (shown[p] ?? 0)) !== 0);
          expect(each.available).toBe(open.length);
        }
        const waits = [...none.keys()].filter((p) => wanted.crossings[p] === 0 && wanted.farMask(p) !== 0);
        expect(wanted.waiting).toBe(waits.length);
        for (const p of none.keys()) {
          const near = peers.slice(0, 2).reduce((sum, each) => sum | (each.packs.get(wanted)?.masks[p] ?? 0), 0);
          expect(wanted.nearShown[p]).toBe(near);
        }
      }
    }),
    { numRuns: 60 },
  );
});
