import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { ledgerDefaults } from '../../src/scheduler/ledger-events.ts';
import type { LedgerAction, LedgerEvent, LedgerOptions } from '../../src/scheduler/ledger-events.ts';
import { emptyMasks, fullMasks } from '../../src/scheduler/piece-masks.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import { createSeederLedger } from '../../src/scheduler/seeder-ledger.ts';
import { peerId, somePack } from './packs.ts';

const small = somePack(4, 1); // one piece of four chunks
const large = somePack(40, 2); // ten pieces
const [A, B, C] = [peerId('a'), peerId('b'), peerId('c')];
const none = emptyMasks(small.pieceCount);
const all = fullMasks(small);
const { regiveAfterMs, longPollMs } = ledgerDefaults;

function createLedger(options: Partial<LedgerOptions> = {}) {
  const ledger = createSeederLedger({ random: createSeededRandom(1) }, options);
  const say = (event: LedgerEvent, nowMs: number): readonly LedgerAction[] => ledger.handle(event, nowMs);
  say({ kind: 'holds', pack: small.id, masks: all }, 0);
  say({ kind: 'holds', pack: large.id, masks: fullMasks(large) }, 0);
  let next = 1;
  return {
    ...ledger,
    say,
    ask(asker: ReturnType<typeof peerId>, need: PieceMasks, nowMs: number, have: PieceMasks = emptyMasks(need.length)) {
      const pack = need.length === small.pieceCount ? small.id : large.id;
      const ask = next++;
      const entries = [{ pack, need, have }];
      return { ask, actions: say({ kind: 'ask', ask, asker, entries, isLacking: false, distrusts: [] }, nowMs) };
    },
  };
}

const given = (actions: readonly LedgerAction[]) => actions.find((action) => action.kind === 'give');

describe('the seeder ledger', () => {
  test('gives what several need in one go, to the first who asks', () => {
    const ledger = createLedger({ minSlots: 1, maxSlots: 1 });
    const busy = ledger.ask(C, fullMasks(large), 0); // takes the only slot
    ledger.ask(A, Uint16Array.of(0b0011), 1);
    ledger.ask(B, Uint16Array.of(0b0110), 2);
    expect(given(ledger.say({ kind: 'sent', ask: busy.ask }, 3))).toMatchObject({ pack: small.id, mask: 0b0111 });
  });

  test('gives the pack that most ask for first', () => {
    const ledger = createLedger({ minSlots: 1, maxSlots: 1 });
    const entries = [
      { pack: small.id, need: all, have: none },
      { pack: large.id, need: fullMasks(large), have: emptyMasks(large.pieceCount) },
    ];
    const busy = ledger.ask(B, fullMasks(large), 0);
    ledger.ask(C, fullMasks(large), 0);
    ledger.say({ kind: 'ask', ask: 100, asker: A, entries, isLacking: false, distrusts: [] }, 1);
    ledger.say({ kind: 'askEnded', ask: 2 }, 2); // C's place, which is before A's
    expect(given(ledger.say({ kind: 'sent', ask: busy.ask }, 3))).toMatchObject({ ask: 100, pack: large.id });
  });

  test('gives nothing again to who gets other pieces from others, though not those that it asked for', () => {
    const ledger = createLedger();
    const gift = given(ledger.ask(B, fullMasks(large), 0).actions);
    if (!gift) throw new Error('nothing was given');
    ledger.say({ kind: 'sent', ask: 1 }, 0);
    const has = emptyMasks(large.pieceCount);
    has[gift.piece] = gift.mask;
    const lacks = has.slice();
    ledger.ask(B, emptyMasks(large.pieceCount), 1, has);
    const have = emptyMasks(large.pieceCount);
    const others = [...have.keys()].filter((piece) => piece !== gift.piece);
    const stepMs = regiveAfterMs / 2;
    for (const [i, piece] of others.entries()) {
      have[piece] = 0b1111;
      expect(given(ledger.ask(A, lacks, 10 + i * stepMs, have.slice()).actions)).toBeUndefined();
    }
    const endMs = 10 + others.length * stepMs;
    const late = [1, 2, 3, 4].flatMap((i) => ledger.ask(A, lacks, endMs + i * stepMs, have.slice()).actions);
    expect(given(late)).toMatchObject({ piece: gift.piece, regive: 'unserved' });
  });

  test('gives again what was held by somebody who has gone, and says why', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 10);
    const second = ledger.ask(B, all, 20);
    expect(second.actions).toEqual([]);
    expect(given(ledger.say({ kind: 'peerGone', peer: A }, 30))).toMatchObject({
      ask: second.ask,
      regive: 'holderGone',
    });
    expect(ledger.status().regives.holderGone).toBe(1);
  });

  test('does not give again what another than the one who has gone has shown', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 10);
    ledger.ask(A, none, 20, all);
    ledger.ask(B, none, 30, all);
    ledger.ask(C, all, 40);
    expect(given(ledger.say({ kind: 'peerGone', peer: A }, 50))).toBeUndefined();
    expect(given(ledger.say({ kind: 'peerGone', peer: B }, 60))).toMatchObject({ regive: 'holderGone' });
  });

  test('gives again at once what did not get through', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.ask(B, all, 1);
    expect(given(ledger.say({ kind: 'sendFailed', ask: first.ask }, 5))).toMatchObject({ regive: 'sendFailed' });
  });

  test.for([
    ['unshown', none],
    ['unserved', all],
  ] as const)('gives again what is still asked for long after it left, %s', ([reason, shown]) => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.ask(B, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 100);
    ledger.ask(A, shown === all ? none : all, 200, shown);
    const settledAtMs = reason === 'unshown' ? 100 : 200;
    expect(given(ledger.ask(B, all, settledAtMs + regiveAfterMs - 1).actions)).toBeUndefined();
    expect(given(ledger.ask(B, all, settledAtMs + regiveAfterMs).actions)).toMatchObject({ regive: reason });
  });

  test('gives nothing again to one who gets what it needs from others, however slowly', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, fullMasks(large), 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 100);
    const shown = (count: number): PieceMasks => emptyMasks(large.pieceCount).fill(0b1111, 0, count);
    const rest = (count: number): PieceMasks => fullMasks(large).fill(0, 0, count);
    const gaveA = given(first.actions);
    if (gaveA?.kind !== 'give') throw new Error('A was given nothing');
    // whatever else there is has gone to C, which shows it and serves nobody
    for (let round = 0; round < large.pieceCount; round += 1) {
      const ask = ledger.ask(C, fullMasks(large), 200 + round);
      ledger.say({ kind: 'sent', ask: ask.ask }, 200 + round);
    }
    ledger.ask(C, emptyMasks(large.pieceCount), 300, fullMasks(large));
    const stepMs = regiveAfterMs - 1;
    for (let count = 0; count < 5; count += 1) {
      expect(given(ledger.ask(B, rest(count), 400 + count * stepMs, shown(count)).actions)).toBeUndefined();
    }
    const stuckAtMs = 400 + 4 * stepMs;
    expect(given(ledger.ask(B, rest(4), stuckAtMs + regiveAfterMs, shown(4)).actions)).toMatchObject({
      kind: 'give',
      regive: expect.stringMatching(/unserved|unshown/) as string,
    });
  });

  test('gives again only to one who has needed it for as long', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 100);
    const lateMs = 100 + 10 * regiveAfterMs;
    expect(given(ledger.ask(B, all, lateMs).actions)).toBeUndefined(); // B may not have looked around yet
    expect(given(ledger.ask(B, all, lateMs + regiveAfterMs).actions)).toMatchObject({ regive: 'unshown' });
  });

  test('gives one who says nothing after it was given something longer to show it', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.ask(B, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 100);
    expect(given(ledger.ask(B, all, 100 + 4 * regiveAfterMs - 1).actions)).toBeUndefined();
    expect(given(ledger.ask(B, all, 100 + 4 * regiveAfterMs).actions)).toMatchObject({ regive: 'unshown' });
  });

  test('takes its time from how long it took others to show what they were given', () => {
    const ledger = createLedger();
    const slowMs = regiveAfterMs;
    const early = ledger.ask(A, all, 0);
    ledger.say({ kind: 'sent', ask: early.ask }, 100);
    ledger.ask(A, none, 100 + slowMs, all); // a busy host
    const piece = (mask: number): PieceMasks => emptyMasks(large.pieceCount).fill(mask, 0, 1);
    const nowMs = 10_000;
    const gift = ledger.ask(C, piece(0b1111), nowMs);
    ledger.say({ kind: 'sent', ask: gift.ask }, nowMs);
    ledger.ask(B, piece(0b1111), nowMs);
    ledger.ask(C, piece(0b1111), nowMs + 1);
    expect(given(ledger.ask(B, piece(0b1111), nowMs + 2 * slowMs).actions)).toBeUndefined();
    expect(given(ledger.ask(B, piece(0b1111), nowMs + 5 * slowMs).actions)).toMatchObject({ regive: 'unshown' });
  });

  test('gives nothing more to whom several call a liar, and gives again what it was given', () => {
    const ledger = createLedger();
    const first = ledger.ask(A, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 10);
    const accuse = (ask: number, asker: typeof A, nowMs: number): readonly LedgerAction[] =>
      ledger.say(
        {
          kind: 'ask',
          ask,
          asker,
          entries: [{ pack: small.id, need: all, have: none }],
          isLacking: false,
          distrusts: [A],
        },
        nowMs,
      );
    expect(given(accuse(50, B, 20))).toBeUndefined(); // one voice is not enough
    expect(given(accuse(51, C, 30))).toMatchObject({ regive: 'distrusted' });
    expect(ledger.status().distrusted).toEqual([A]);
    expect(ledger.ask(A, all, 40).actions).toMatchObject([{ kind: 'dry' }]);
  });

  test('does not give again while the piece is still on its slow way', () => {
    const ledger = createLedger();
    ledger.ask(A, all, 0);
    ledger.ask(B, all, 0);
    expect(given(ledger.ask(B, all, 20 * regiveAfterMs).actions)).toBeUndefined();
  });

  test('says at once what it does not hold, and gives the rest', () => {
    const ledger = createLedger();
    ledger.say({ kind: 'holds', pack: small.id, masks: Uint16Array.of(0b0011) }, 0);
    const first = ledger.ask(A, all, 1);
    expect(given(first.actions)).toMatchObject({ mask: 0b0011 });
    ledger.say({ kind: 'sent', ask: first.ask }, 2);
    const rest = ledger.ask(A, Uint16Array.of(0b1100), 3, Uint16Array.of(0b0011));
    expect(rest.actions).toEqual([
      { kind: 'dry', ask: rest.ask, lacking: [{ pack: small.id, masks: Uint16Array.of(0b1100) }] },
    ]);
  });

  test('keeps the place of one who waits for a slot over repeated asks', () => {
    const ledger = createLedger({ minSlots: 1, maxSlots: 1 });
    const busy = ledger.ask(A, fullMasks(large), 0);
    ledger.ask(B, fullMasks(large), 1);
    expect(ledger.say({ kind: 'tick' }, 1 + longPollMs)).toEqual([{ kind: 'wait', ask: 2, ahead: 0 }]);
    ledger.ask(C, fullMasks(large), 2 + longPollMs);
    const again = ledger.ask(B, fullMasks(large), 3 + longPollMs);
    expect(given(ledger.say({ kind: 'sent', ask: busy.ask }, 4 + longPollMs))).toMatchObject({ ask: again.ask });
  });

  test('serves a plain request only for what nobody should have by now', () => {
    const ledger = createLedger();
    const plain = (ask: number, nowMs: number) =>
      ledger.say({ kind: 'plain', ask, asker: B, pack: small.id, piece: 0, mask: 0b0011 }, nowMs);
    const first = ledger.ask(A, all, 0);
    ledger.say({ kind: 'sent', ask: first.ask }, 100);
    expect(plain(50, 101)).toMatchObject([{ kind: 'wait' }]);
    ledger.ask(A, fullMasks(large), 102);
    ledger.ask(A, all, 103); // it asks again, and has not got it
    expect(given(plain(51, 100 + regiveAfterMs))).toMatchObject({ ask: 51, regive: 'unshown' });
  });

  test('does not make others carry the needs of one who asks no more', () => {
    const ledger = createLedger({ minSlots: 1, maxSlots: 1 });
    const busy = ledger.ask(C, fullMasks(large), 0);
    const gone = ledger.ask(A, Uint16Array.of(0b1000), 1);
    ledger.say({ kind: 'askEnded', ask: gone.ask }, 2);
    ledger.ask(B, Uint16Array.of(0b0001), ledgerDefaults.forgetAskMs + 10);
    expect(given(ledger.say({ kind: 'sent', ask: busy.ask }, ledgerDefaults.forgetAskMs + 20))).toMatchObject({
      mask: 0b0001,
    });
  });
});
