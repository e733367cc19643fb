import { expect, test } from 'vitest';
import { stands } from '../../src/quarry/await-cluster.ts';

const budget = { grantor: undefined, budget: { bytesPerSecond: 1, reads: 1 } };
const node = { members: 41, peers: 24, uptimeMs: 5000, originBudget: undefined };

test('a node stands when it knows everybody and is connected to enough', () => {
  expect(stands(node, { members: 41 })).toBe(true);
  expect(stands({ ...node, members: 40 }, { members: 41 })).toBe(false);
  expect(stands({ ...node, peers: 5 }, { members: 41 })).toBe(false);
  expect(stands({ ...node, members: 3, peers: 2 }, { members: 3 })).toBe(true);
});

test('where the origin has a budget, a node that has just started has no share of it yet', () => {
  const limited = { ...node, originBudget: budget as never };
  expect(stands(limited, { members: 41 })).toBe(false);
  expect(stands({ ...limited, uptimeMs: 17_000 }, { members: 41 })).toBe(true);
});
