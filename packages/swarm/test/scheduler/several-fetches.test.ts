import { describe, expect, test } from 'vitest';
import { emptyMasks, fullMasks } from '../../src/scheduler/piece-masks.ts';
import { create } from './driver.ts';
import { peerId, somePack } from './packs.ts';

const large = somePack(800, 7);
const small = somePack(80, 8);
const peers = ['a', 'b', 'c', 'd', 'e', 'f'].map(peerId);
const want = (descriptor: typeof large) => ({
  descriptor,
  need: fullMasks(descriptor),
  have: emptyMasks(descriptor.pieceCount),
});

/** A large image is under way, then a small one is wanted too; six peers have both. */
function both() {
  const scheduler = create();
  scheduler.say({ kind: 'fetch', fetch: 1, giveUpMs: 60_000, wants: [want(large)] }, 0);
  for (const peer of peers) {
    scheduler.say({ kind: 'peerJoined', peer, role: 'node' }, 0);
    scheduler.say({ kind: 'peerHas', peer, pack: large.id, masks: fullMasks(large) }, 0);
  }
  const underWay = scheduler.take('request');
  scheduler.say({ kind: 'fetch', fetch: 2, giveUpMs: 60_000, wants: [want(small)] }, 0);
  for (const peer of peers) {
    scheduler.say({ kind: 'peerHas', peer, pack: small.id, masks: fullMasks(small) }, 0);
  }
  const arrive = (request: (typeof underWay)[number], nowMs: number) => {
    scheduler.say({ kind: 'verified', request: request.request }, nowMs);
    scheduler.say({ kind: 'present', pack: request.pack, piece: request.piece, mask: request.mask }, nowMs);
    scheduler.say({ kind: 'landed', request: request.request }, nowMs);
  };
  return { scheduler, underWay, arrive };
}

describe('of two fetches on one host', () => {
  test('the one that misses less is served first, and the other when nothing of it is left to ask for', () => {
    const { scheduler, underWay, arrive } = both();
    const order = [];
    for (let i = 0; underWay.length > 0 && order.length < 60; i += 1) {
      const next = underWay.shift();
      if (!next) break;
      arrive(next, 1 + i);
      const asked = scheduler.take('request');
      order.push(...asked.map(({ pack }) => pack));
      underWay.push(...asked);
    }
    const smallPieces = order.filter((pack) => pack === small.id).length;
    expect(smallPieces).toBe(small.pieceCount);
    expect(order.slice(0, smallPieces).every((pack) => pack === small.id)).toBe(true);
    expect(scheduler.take('done')).toMatchObject([{ fetch: 2 }]);
  });

  test('the other gets its share when nothing has come to it for seconds', () => {
    const { scheduler, underWay, arrive } = both();
    for (const request of underWay.slice(1)) arrive(request, 1);
    const atOnce = scheduler.take('request');
    expect(new Set(atOnce.map(({ pack }) => pack))).toEqual(new Set([small.id]));
    for (const request of atOnce) arrive(request, 5500);
    expect(scheduler.take('request').some(({ pack }) => pack === large.id)).toBe(true);
  });
});
