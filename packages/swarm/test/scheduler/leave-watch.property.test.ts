import fc from 'fast-check';
import type { PackId } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import type { AskEntry } from '../../src/scheduler/fetch-events.ts';
import { createLeaveWatch, leaveDefaults } from '../../src/scheduler/leave-watch.ts';
import type { LeaveOptions, LeaveWatch } from '../../src/scheduler/leave-watch.ts';

const PIECES = 3;
const packs = ['p', 'q'] as PackId[];
const names = Array.from({ length: 7 }, (_, i) => `n${i}` as PeerId);
const full = (): Uint16Array => new Uint16Array(PIECES).fill(0xf);
const masksArb = fc.array(fc.nat(15), { minLength: PIECES, maxLength: PIECES }).map((masks) => Uint16Array.from(masks));
/** Mostly full: states from which a seeder may leave must not be rare. */
const fullerArb = fc.oneof({ weight: 3, arbitrary: fc.constant(full()) }, { weight: 1, arbitrary: masksArb });

interface NodeState {
  readonly wants: ReadonlyMap<PackId, Uint16Array>;
  readonly has: ReadonlyMap<PackId, Uint16Array>;
}
const nodeArb: fc.Arbitrary<NodeState> = fc
  .record({
    wants: fc.array(masksArb, { minLength: 2, maxLength: 2 }),
    has: fc.array(fullerArb, { minLength: 2, maxLength: 2 }),
  })
  .map(({ wants, has }) => ({
    wants: new Map(packs.map((pack, i) => [pack, wants[i] as Uint16Array])),
    has: new Map(packs.map((pack, i) => [pack, has[i] as Uint16Array])),
  }));

const needOf = (node: NodeState, pack: PackId, piece: number): number =>
  (node.wants.get(pack)?.[piece] ?? 0) & ~(node.has.get(pack)?.[piece] ?? 0);

/** As a node answers: the packs of which it needs something, and of those asked about what it has. */
function answerOf(node: NodeState, asked: readonly PackId[]): AskEntry[] {
  return packs.flatMap((pack) => {
    const need = full().map((_, piece) => needOf(node, pack, piece));
    const isNeeding = need.some((mask) => mask !== 0);
    return isNeeding || asked.includes(pack) ? [{ pack, need, have: node.has.get(pack) as Uint16Array }] : [];
  });
}

function round(
  watch: LeaveWatch,
  nodes: ReadonlyMap<PeerId, NodeState>,
  nowMs: number,
  deaf: readonly PeerId[] = [],
): void {
  const asked = watch.ask(nodes.keys(), nowMs);
  for (const [name, node] of nodes) if (!deaf.includes(name)) watch.heard(name, answerOf(node, asked));
}

function create(
  options: Partial<LeaveOptions> = {},
  ours: (pack: PackId) => Uint16Array | undefined = full,
): LeaveWatch {
  return createLeaveWatch({ ours, isDistrusted: () => false }, options);
}

/** All ways to kill `count` of the nodes. */
function deaths(all: readonly PeerId[], count: number): PeerId[][] {
  if (count === 0) return [[]];
  return all.flatMap((name, i) => deaths(all.slice(i + 1), count - 1).map((others) => [name, ...others]));
}

describe('a seeder may leave', () => {
  test('only when any two nodes may die and take nothing with them that is needed', () => {
    let leaves = 0;
    fc.assert(
      fc.property(fc.array(nodeArb, { maxLength: 7 }), fc.integer({ min: 1, max: 3 }), (states, leaveHolders) => {
        const nodes = new Map(states.map((state, i) => [names[i] as PeerId, state]));
        const watch = create({ leaveHolders });
        round(watch, nodes, 0);
        round(watch, nodes, 500);
        const { mayLeave, needers, isAskingAnew } = watch.verdict(600);
        expect(isAskingAnew).toBe(false);
        const isLossPossible = deaths([...nodes.keys()], Math.min(leaveHolders - 1, nodes.size)).some((dead) => {
          const living = [...nodes].filter(([name]) => !dead.includes(name)).map(([, node]) => node);
          return packs.some((pack) =>
            [...full().keys()].some((piece) => {
              const held = living.reduce((mask, node) => mask | (node.has.get(pack)?.[piece] ?? 0), 0);
              return living.some((node) => (needOf(node, pack, piece) & ~held) !== 0);
            }),
          );
        });
        if (mayLeave) expect(isLossPossible).toBe(false);
        // Neither may it stay without need: somebody needs what fewer than that hold.
        if (!mayLeave && needers.length > 0 && nodes.size >= leaveHolders) {
          const isShort = packs.some((pack) =>
            [...full().keys()].some((piece) =>
              [1, 2, 4, 8].some((bit) => {
                const holders = [...nodes.values()].filter((node) => ((node.has.get(pack)?.[piece] ?? 0) & bit) !== 0);
                return (
                  holders.length < leaveHolders &&
                  [...nodes.values()].some((node) => (needOf(node, pack, piece) & bit) !== 0)
                );
              }),
            ),
          );
          expect(isShort).toBe(true);
        }
        if (mayLeave && [...nodes.values()].some((node) => packs.some((pack) => needOf(node, pack, 0) !== 0)))
          leaves += 1;
      }),
      { numRuns: 500, seed: 7 },
    );
    expect(leaves).toBeGreaterThan(20); // while somebody still needed something
  });

  const state = (wants: number, has: number): NodeState => ({
    wants: new Map([[packs[0] as PackId, new Uint16Array(PIECES).fill(wants)]]),
    has: new Map([[packs[0] as PackId, new Uint16Array(PIECES).fill(has)]]),
  });
  const cluster = (...states: NodeState[]): Map<PeerId, NodeState> =>
    new Map(states.map((one, i) => [names[i] as PeerId, one]));

  test('at once when nobody is there, and after one round when nobody needs anything', () => {
    expect(create().verdict(0).mayLeave).toBe(true);
    const watch = create();
    round(watch, cluster(state(15, 15), state(3, 7)), 0);
    expect(watch.isComplete).toBe(true);
    expect(watch.verdict(0)).toEqual({
      mayLeave: true,
      unsafePieces: 0,
      needers: [],
      unheard: [],
      isAskingAnew: false,
    });
  });

  test('not while two hold what a third needs; then also not after the third has it, if a fourth needs it', () => {
    const watch = create();
    const [whole, empty] = [state(15, 15), state(15, 0)];
    round(watch, cluster(whole, whole, empty), 0);
    expect(watch.verdict(0)).toMatchObject({
      mayLeave: false,
      isAskingAnew: true,
      unsafePieces: PIECES,
      needers: ['n2'],
    });
    round(watch, cluster(whole, whole, state(15, 7)), 500);
    expect(watch.verdict(500)).toMatchObject({ mayLeave: false, isAskingAnew: false, needers: ['n2'] });
    round(watch, cluster(whole, whole, whole, empty), 1000);
    expect(watch.verdict(1000).mayLeave).toBe(true); // three hold it
  });

  test('whatever is missing that it cannot give itself', () => {
    const watch = create({}, () => new Uint16Array(PIECES).fill(7));
    round(watch, cluster(state(15, 7), state(8, 0)), 0);
    expect(watch.verdict(0).mayLeave).toBe(true);
    const stranger = create({}, () => undefined);
    round(stranger, cluster(state(15, 0)), 0);
    expect(stranger.verdict(0)).toMatchObject({ mayLeave: true, isAskingAnew: false });
  });

  test('not before a node that is connected has said what it needs; but after so many silent seconds it counts as dead', () => {
    const watch = create();
    const nodes = cluster(state(15, 15), state(15, 0));
    for (let nowMs = 0; nowMs < leaveDefaults.silentMs; nowMs += 500) {
      round(watch, nodes, nowMs, ['n1' as PeerId]);
      expect(watch.isComplete).toBe(false);
      expect(watch.verdict(nowMs)).toMatchObject({ mayLeave: false, unheard: ['n1'] });
    }
    round(watch, nodes, leaveDefaults.silentMs, ['n1' as PeerId]);
    expect(watch.verdict(leaveDefaults.silentMs).mayLeave).toBe(true);
  });

  test('not by the old word of a holder that is silent now, and the need of one that is silent stands', () => {
    const watch = create();
    const [whole, empty] = [state(15, 15), state(15, 0)];
    const nodes = cluster(whole, whole, whole, empty);
    round(watch, nodes, 0);
    round(watch, nodes, 500);
    expect(watch.verdict(500).mayLeave).toBe(true);
    round(watch, nodes, 1000, ['n0' as PeerId]);
    expect(watch.verdict(1000)).toMatchObject({ mayLeave: false, needers: ['n3'] });
    round(watch, nodes, 1500, ['n0' as PeerId, 'n3' as PeerId]);
    expect(watch.verdict(1500)).toMatchObject({ mayLeave: false, needers: ['n3'] });
    // It comes back in time, and the seconds of silence begin anew.
    round(watch, nodes, 10_900);
    round(watch, nodes, 11_400, ['n3' as PeerId]);
    expect(watch.verdict(11_400)).toMatchObject({ mayLeave: true, unsafePieces: 0 });
  });

  test('without regard to nodes that have gone, and to liars', () => {
    const watch = createLeaveWatch({ ours: full, isDistrusted: (node) => node === 'n1' });
    const nodes = cluster(state(15, 15), state(15, 0));
    round(watch, nodes, 0);
    expect(watch.verdict(0).mayLeave).toBe(true);
    const gone = create();
    round(gone, nodes, 0);
    expect(gone.verdict(0).mayLeave).toBe(false);
    nodes.delete('n1' as PeerId);
    round(gone, nodes, 500);
    expect(gone.verdict(500).mayLeave).toBe(true);
  });
});
