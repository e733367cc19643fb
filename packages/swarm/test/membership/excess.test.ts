import { describe, expect, test } from 'vitest';
import { createSeededRandom, createVirtualClock } from '@quarry/runtime';
import { createExcess } from '../../src/membership/excess.ts';
import { createMemoryHub } from '../../src/memory/index.ts';
import type { PeerId } from '../../src/ports/network.ts';

const [A, B] = ['a', 'b'] as unknown as [PeerId, PeerId];
const unused = (): undefined => undefined;

describe('connections that the graph does not need', () => {
  test('are hung up when they have been so, and carried nothing, for long enough', () => {
    const excess = createExcess({ idleMs: 1000 });
    expect(excess.next([A, B], 0, unused)).toEqual([]);
    const usedMs = (peer: PeerId): number | undefined => (peer === B ? 600 : undefined);
    expect(excess.next([A, B], 999, usedMs)).toEqual([]);
    expect(excess.next([A, B], 1000, usedMs)).toEqual([A]);
    expect(excess.next([B], 1599, usedMs)).toEqual([]);
    expect(excess.next([B], 1600, usedMs)).toEqual([B]);
  });

  test('begin anew when they were needed meanwhile', () => {
    const excess = createExcess({ idleMs: 1000 });
    excess.next([A], 0, unused);
    excess.next([], 500, unused);
    expect(excess.next([A], 1100, unused)).toEqual([]);
    expect(excess.next([A], 2100, unused)).toEqual([A]);
  });
});

test('in memory, too, both sides of a connection that is hung up hear of it, requests on it end, and either may dial again', async () => {
  const clock = createVirtualClock();
  const hub = createMemoryHub({ clock, random: createSeededRandom(1) });
  const [one, other] = [hub.join(A), hub.join(B)];
  const gone: string[] = [];
  one.listen({ peerDisconnected: (peer) => gone.push(`one lost ${peer}`) });
  other.listen({ peerDisconnected: (peer) => gone.push(`other lost ${peer}`) });
  other.handle('/never/1', { maxRequestBytes: 10 }, () => new Promise(() => {}));
  const run = async (work: Promise<unknown>): Promise<void> => {
    await clock.advance(10);
    await work;
  };
  await run(one.dial(B, []));
  const request = one.request(B, '/never/1', new Uint8Array(1), { maxBytes: 10 });
  const refused = expect(request).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
  await clock.advance(10);
  other.hangUp(A);
  await refused;
  other.hangUp(A); // there is none any more
  expect(gone.sort()).toEqual(['one lost b', 'other lost a']);
  expect([one.peers(), other.peers()]).toEqual([[], []]);
  await run(one.dial(B, []));
  expect(other.peers()).toEqual([A]);
});
