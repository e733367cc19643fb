import { packIdFrom } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import { createAnnouncer } from '../../src/inventory/announcer.ts';
import { createHaveTable } from '../../src/inventory/have-table.ts';
import type { PeerId } from '../../src/ports/network.ts';
import { decodeHavesMessage } from '../../src/protocol/haves-message.ts';
import type { HavesMessage } from '../../src/protocol/haves-message.ts';
import { emptyPieceSet } from '../../src/protocol/piece-set.ts';
import type { PieceSet } from '../../src/protocol/piece-set.ts';
import { protocolLimits } from '../../src/protocol/protocol-limits.ts';

const packNo = (n: number): PackId => packIdFrom(new Uint8Array(32).fill(n & 255).fill(n >> 8, 0, 1));
const [P, Q] = [packNo(1), packNo(2)];
const [A, B] = ['a' as PeerId, 'b' as PeerId];
const some: PieceSet = { whole: Uint8Array.of(1), partial: [] };
const more: PieceSet = { whole: Uint8Array.of(3), partial: [{ piece: 2, mask: 5 }] };
const says = (sequence: number, sets: Readonly<Record<PackId, PieceSet>>, wants?: readonly string[]): HavesMessage => ({
  sequence,
  packs: Object.entries(sets).map(([pack, set]) => ({ pack: pack as PackId, set })),
  wants,
});

describe('the have table', () => {
  const create = (maxPacksPerPeer = 100) => createHaveTable({ maxPacksPerPeer });

  test('keeps the latest word on each pack, in whatever order words arrive', () => {
    const table = create();
    expect(table.hear(A, says(5, { [P]: more }), 0)).toEqual([{ pack: P, before: undefined }]);
    expect(table.hear(A, says(4, { [P]: some, [Q]: some }), 1)).toEqual([{ pack: Q, before: undefined }]);
    expect(table.find(A, P)).toEqual(more);
    expect(table.hear(A, says(6, { [P]: more }), 2)).toEqual([]); // no news
  });

  test('a pack that was given up does not come back by an old message', () => {
    const table = create();
    table.hear(A, says(1, { [P]: some }), 0);
    expect(table.hear(A, says(3, { [P]: emptyPieceSet }), 1)).toEqual([{ pack: P, before: some }]);
    expect(table.hear(A, says(2, { [P]: some }), 2)).toEqual([]);
    expect([...table.holders(P)]).toEqual([]);
  });

  test('forgets what has not been repeated, and all of a member that has gone', () => {
    const table = create();
    table.hear(A, says(1, { [P]: some }), 0);
    table.hear(B, says(1, { [P]: some, [Q]: some }), 50);
    expect(table.expire(101, 100)).toEqual([{ peer: A, pack: P }]);
    expect(table.drop(B).toSorted()).toEqual([P, Q].toSorted());
    expect(table.size).toBe(0);
  });

  test('knows who wants a pack, until it says otherwise', () => {
    const table = create();
    table.hear(A, says(1, {}, [P.slice(0, 16)]), 0);
    table.hear(B, says(1, {}, [P.slice(0, 16), Q.slice(0, 16)]), 0);
    expect(table.wanters(P)).toEqual([A, B]);
    table.hear(A, says(2, {}, []), 1);
    table.hear(B, says(2, { [Q]: some }), 1); // says nothing of wants
    expect(table.wanters(P)).toEqual([B]);
  });

  test('is bounded for each member', () => {
    const table = create(3);
    const all = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [packNo(i), some]));
    table.hear(A, says(1, all), 0);
    expect(table.size).toBe(3);
  });
});

describe('the announcer', () => {
  const create = () => createAnnouncer({ read: (pack) => (pack === P ? more : some) }, { firstSequence: 10 });

  test('tells each changed pack once, as it is when it is told', () => {
    const announcer = create();
    for (const pack of [P, Q, P]) announcer.changed(pack);
    const messages = announcer.takeChanges().map(decodeHavesMessage);
    expect(messages).toEqual([
      {
        sequence: 11,
        packs: [
          { pack: P, set: more },
          { pack: Q, set: some },
        ],
        wants: undefined,
      },
    ]);
    expect(announcer.takeChanges()).toEqual([]);
  });

  test('tells everything in bounded messages with growing numbers, and its wants with the first', () => {
    const announcer = create();
    announcer.setWants([P]);
    const packs = Array.from({ length: 2 * protocolLimits.maxHavesPacks + 1 }, (_, i) => packNo(i));
    const messages = announcer.takeAll(packs).map(decodeHavesMessage);
    expect(messages.map(({ sequence, packs: told, wants }) => [sequence, told.length, wants?.length])).toEqual([
      [11, 256, 1],
      [12, 256, undefined],
      [13, 1, undefined],
    ]);
  });

  test('tells wants when they change, also when there are none any more', () => {
    const announcer = create();
    announcer.setWants([P, Q]);
    announcer.setWants([P, Q]);
    expect(announcer.takeWants().map((bytes) => decodeHavesMessage(bytes).wants)).toEqual([
      [P.slice(0, 16), Q.slice(0, 16)],
    ]);
    expect(announcer.takeWants()).toEqual([]);
    announcer.setWants([]);
    expect(announcer.takeWants().map((bytes) => decodeHavesMessage(bytes).wants)).toEqual([[]]);
  });
});
