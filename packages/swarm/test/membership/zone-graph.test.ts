import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { neighboursOf } from '../../src/membership/neighbours.ts';
import type { Neighbour } from '../../src/membership/neighbours.ts';
import type { PeerId } from '../../src/ports/network.ts';

const options = { targetDegree: 24, maxZoneMates: 48 };

function clusterOf(sizes: readonly number[], salt = 0): Neighbour[] {
  return sizes.flatMap((size, zone) =>
    Array.from({ length: size }, (_, i) => ({
      peer: `m${salt}-${zone}-${i * 7919}` as PeerId,
      role: 'node' as const,
      zone: `zone-${zone}`,
    })),
  );
}

function graphOf(nodes: readonly Neighbour[], chosen = options): Map<PeerId, Set<PeerId>> {
  return new Map(
    nodes.map((self) => {
      const others = nodes.filter((other) => other !== self);
      return [self.peer, new Set(neighboursOf(self, others, chosen))];
    }),
  );
}

const edgesOf = (graph: Map<PeerId, Set<PeerId>>): string[] =>
  [...graph].flatMap(([peer, others]) => [...others].map((other) => `${peer} ${other}`)).sort();

function expectMutual(graph: Map<PeerId, Set<PeerId>>): void {
  for (const [peer, others] of graph) for (const other of others) expect(graph.get(other)?.has(peer)).toBe(true);
}

function expectConnected(graph: Map<PeerId, Set<PeerId>>): void {
  const reached = new Set([...graph.keys()].slice(0, 1));
  for (const peer of reached) for (const other of graph.get(peer) ?? []) reached.add(other); // grows while it is walked
  expect(reached.size).toBe(graph.size);
}

/** Of each node: neighbours in its zone, and outside. */
function degreesOf(nodes: readonly Neighbour[], graph: Map<PeerId, Set<PeerId>>): { near: number; far: number }[] {
  const zones = new Map(nodes.map(({ peer, zone }) => [peer, zone]));
  return nodes.map(({ peer, zone }) => {
    const others = [...(graph.get(peer) ?? [])];
    const near = others.filter((other) => zones.get(other) === zone).length;
    return { near, far: others.length - near };
  });
}

describe('the neighbour graph with zones', () => {
  test('twenty racks of twenty: all rack mates, 12 or more outside, near-regular', () => {
    const nodes = clusterOf(Array.from({ length: 20 }, () => 20));
    const graph = graphOf(nodes);
    expectMutual(graph);
    expectConnected(graph);
    for (const { near, far } of degreesOf(nodes, graph)) {
      expect(near).toBe(19);
      expect(far).toBeGreaterThanOrEqual(18);
      expect(far).toBeLessThanOrEqual(32);
    }
  });

  test('is mutual, bounded and connected, whatever the zones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 6 }),
        fc.nat(99),
        (sizes, salt) => {
          const nodes = clusterOf(sizes, salt);
          const graph = graphOf(nodes);
          expectMutual(graph);
          expectConnected(graph);
          const isEven = Math.max(...sizes) * 2 <= nodes.length;
          for (const [i, { near, far }] of degreesOf(nodes, graph).entries()) {
            const mates = nodes.filter(({ zone }) => zone === nodes[i]?.zone).length - 1;
            if (mates <= 48 && sizes.length > 1) expect(near).toBe(mates);
            expect(near).toBeLessThanOrEqual(48);
            expect(far).toBeLessThanOrEqual(6 * 12);
            // Where one zone holds most nodes there are not enough outside for all of them.
            if (isEven) expect(far).toBeGreaterThanOrEqual(Math.min(8, nodes.length - 1 - mates));
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  test('moves few links when one comes', () => {
    const before = graphOf(clusterOf([30, 30, 30, 30]));
    const after = graphOf(clusterOf([31, 30, 30, 30]));
    let moved = 0;
    for (const [peer, others] of before) for (const other of others) if (!after.get(peer)?.has(other)) moved += 1;
    expect(moved).toBeLessThanOrEqual(2 * 4 * 12);
  });

  test('one zone everywhere, none named, and one host in each give one and the same graph', () => {
    const nodes = clusterOf([120]);
    const plain = edgesOf(graphOf(nodes.map(({ peer, role }) => ({ peer, role }))));
    expect(edgesOf(graphOf(nodes))).toEqual(plain);
    expect(edgesOf(graphOf(nodes.map((node) => ({ ...node, zone: '' }))))).toEqual(plain);
    expect(edgesOf(graphOf(nodes.map((node) => ({ ...node, zone: `of ${node.peer}` }))))).toEqual(plain);
  });

  test('those who named no zone are no zone together', () => {
    const nodes = [...clusterOf([30]), ...clusterOf([60], 1).map((node) => ({ ...node, zone: '' }))];
    const graph = graphOf(nodes);
    expectMutual(graph);
    for (const { peer } of nodes.slice(30)) expect(graph.get(peer)?.size).toBeLessThanOrEqual(40);
    for (const { peer } of nodes.slice(0, 30)) expect(graph.get(peer)?.size).toBeGreaterThanOrEqual(29 + 12);
  });

  test('a zone over the bound is a ring graph of its own, with as many neighbours outside', () => {
    const nodes = clusterOf([60, 60]);
    const graph = graphOf(nodes);
    for (const { near, far } of degreesOf(nodes, graph)) {
      expect(near).toBeGreaterThanOrEqual(14);
      expect(near).toBeLessThanOrEqual(24);
      expect(far).toBeGreaterThanOrEqual(12);
    }
  });
});
