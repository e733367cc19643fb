import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseTargets, rankHolders } from '../../src/images/choose-holders.ts';
import type { HolderCandidate } from '../../src/images/choose-holders.ts';

const node = (peer: string, zone: string): HolderCandidate => ({ peer, zone, role: 'node' });
const members = [
  node('a1', 'a'),
  node('a2', 'a'),
  node('b1', 'b'),
  node('b2', 'b'),
  node('c1', 'c'),
  { peer: 's', zone: 'b', role: 'seeder' as const },
];
const self = { peer: 'a1', zone: 'a' };

test('other zones come first, one node of each before a second of any, seeders and oneself never', () => {
  const ranked = rankHolders(members, self, 'image-1');
  expect(ranked.map(({ peer }) => peer).toSorted()).toEqual(['a2', 'b1', 'b2', 'c1']);
  expect(
    ranked
      .slice(0, 2)
      .map(({ zone }) => zone)
      .toSorted(),
  ).toEqual(['b', 'c']);
  expect(ranked.at(-1)?.peer).toBe('a2');
});

test('where all are of one zone they are asked all the same', () => {
  expect(rankHolders([node('x', 'a'), node('y', 'a')], self, 'image-1')).toHaveLength(2);
});

test('images spread: of a hundred, no node is first for more than twice its part', () => {
  const nodes = Array.from({ length: 10 }, (_, i) => node(`12D3KooW${i}`, 'b'));
  const firsts = Array.from({ length: 400 }, (_, i) => rankHolders(nodes, self, `image-${i}`)[0]?.peer);
  for (const { peer } of nodes) expect(firsts.filter((first) => first === peer).length).toBeLessThan(80);
});

test('a prefetch goes to the named nodes, and to so many of each zone', () => {
  const peers = (targets: Parameters<typeof chooseTargets>[1]): string[] =>
    chooseTargets(members, targets, 'image-1').chosen.map(({ peer }) => peer);
  expect(peers({ nodes: ['c1'], zones: [], percent: 100 })).toEqual(['c1']);
  expect(peers({ nodes: [], zones: [], percent: 100 })).toEqual(['a1', 'a2', 'b1', 'b2', 'c1']);
  expect(peers({ nodes: [], zones: ['b'], percent: 100 })).toEqual(['b1', 'b2']);
  expect(peers({ nodes: ['a1'], zones: ['b'], percent: 50 })).toHaveLength(2);
  expect(peers({ nodes: [], zones: [], percent: 50 })).toHaveLength(3); // one of each zone
});

test('what nobody is called is said', () => {
  expect(chooseTargets(members, { nodes: ['x'], zones: ['z', 'b'], percent: 1 }, 'i').unknown).toEqual(['x', 'z']);
});

test('the choice is the same for the same members in any order', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(members, { minLength: members.length }),
      fc.integer({ min: 0, max: 100 }),
      (all, percent) => {
        const targets = { nodes: [], zones: [], percent };
        expect(chooseTargets(all, targets, 'i')).toEqual(chooseTargets(members, targets, 'i'));
      },
    ),
  );
});
