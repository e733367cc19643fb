import { imageRef, manifestId } from '@quarry/content';
import type { ImageRecord, Manifest } from '@quarry/content';
import { createVirtualClock, silentLogger } from '@quarry/runtime';
import type { VirtualClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import type { HeldState, HoldAnswer } from '../../src/images/held-images.ts';
import { coverageOf, prefetchImages } from '../../src/images/prefetch-images.ts';
import type { PrefetchDeps, PrefetchedNode, PrefetchReport } from '../../src/images/prefetch-images.ts';

const image = {
  record: { ref: imageRef('base'), imageBytes: 100 } as ImageRecord,
  manifest: { id: manifestId('ab'.repeat(32)) } as Manifest,
};
const everywhere = { images: ['base'], nodes: [], zones: [], percent: 100 };

/** Members that answer as the test says; each look takes a virtual second. */
function subject(
  members: Readonly<Record<string, { readonly answer?: HoldAnswer; readonly states: (HeldState | Error)[] }>>,
) {
  const clock: VirtualClock = createVirtualClock();
  const deps: PrefetchDeps = {
    clock,
    logger: silentLogger,
    members: () => Object.keys(members).map((peer) => ({ peer, zone: peer.slice(0, 1), role: 'node' as const })),
    askToHold: async (peer) => members[peer]?.answer ?? { kind: 'accepted' },
    async holdStatus(peer) {
      const states = members[peer]?.states ?? [];
      const next = states.length > 1 ? states.shift() : states[0];
      if (next instanceof Error) throw next;
      return next;
    },
    find: async () => image,
  };
  return { clock, deps };
}

async function run(clock: VirtualClock, work: Promise<PrefetchReport>): Promise<PrefetchReport> {
  let isDone = false;
  void work.then(
    () => (isDone = true),
    () => (isDone = true),
  );
  for (let i = 0; i < 200 && !isDone; i += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1000);
  }
  return work;
}

const complete: HeldState = { kind: 'complete', wantedBytes: 100, presentBytes: 100 };

describe('a prefetch', () => {
  test('ends when every node has the image, and shows what is where meanwhile', async () => {
    const half: HeldState = { kind: 'fetching', wantedBytes: 100, presentBytes: 50 };
    const { clock, deps } = subject({ a1: { states: [half, complete] }, b1: { states: [half, half, complete] } });
    const seen: number[] = [];
    const report = await run(
      clock,
      prefetchImages(deps, everywhere, { onProgress: ({ coverage }) => void seen.push(coverage[0]?.all ?? -1) }),
    );
    expect(report.nodes.map(({ state }) => state)).toEqual(['complete', 'complete']);
    expect(report.coverage).toEqual([{ image: 'base', all: 1, zones: { a: 1, b: 1 } }]);
    expect(seen).toEqual([0, 0.5, 0.75, 1]);
  });

  test('goes on without nodes that refuse, fail or fall silent', async () => {
    const { clock, deps } = subject({
      a1: { answer: { kind: 'refused', reason: 'full' }, states: [] },
      a2: { states: [{ kind: 'failed', wantedBytes: 100, presentBytes: 30 }] },
      a3: { states: [new Error('gone')] },
      a4: { states: [complete] },
    });
    const { nodes, coverage } = await run(clock, prefetchImages(deps, everywhere, { onProgress() {} }));
    expect(Object.fromEntries(nodes.map(({ peer, state, reason }) => [peer, [state, reason]]))).toEqual({
      a1: ['refused', 'full'],
      a2: ['failed', 'its log says why'],
      a3: ['unreachable', 'silent for 30 s'],
      a4: ['complete', undefined],
    });
    expect(coverage[0]?.all).toBeCloseTo(130 / 400);
  });

  test('names the members when one is asked for that is not there', async () => {
    const { deps } = subject({ a1: { states: [complete] } });
    const work = prefetchImages(deps, { ...everywhere, zones: ['z'] }, { onProgress() {} });
    await expect(work).rejects.toMatchObject({
      code: 'DAEMON_BAD_REQUEST',
      message: expect.stringContaining('a1 (a)'),
    });
  });

  test('ends at once when its watcher leaves', async () => {
    const { clock, deps } = subject({ a1: { states: [{ ...complete, kind: 'fetching' }] } });
    const leaving = new AbortController();
    const work = prefetchImages(deps, everywhere, {
      signal: leaving.signal,
      onProgress: () => leaving.abort(new Error('enough')),
    });
    await expect(run(clock, work)).rejects.toThrow('enough');
  });
});

test('coverage is by bytes, all together and by zone; nothing wanted is covered', () => {
  const node = (peer: string, zone: string, presentBytes: number, wantedBytes: number): PrefetchedNode => ({
    image: 'i',
    peer,
    zone,
    state: 'fetching',
    wantedBytes,
    presentBytes,
  });
  expect(coverageOf([node('1', 'a', 10, 100), node('2', 'a', 30, 300), node('3', 'b', 0, 0)])).toEqual([
    { image: 'i', all: 0.1, zones: { a: 0.1, b: 1 } },
  ]);
});
