import { createSeededRandom, createVirtualClock, silentLogger, systemRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import type { VirtualClock } from '@quarry/runtime';
import { createIdentity } from '../../src/network/identity.ts';
import { keepDialling } from '../../src/network/keep-dialling.ts';
import type { PeerId } from '../../src/ports/network.ts';
import { connected, disconnected, startNode } from './nodes.ts';

const peer = 'somebody' as PeerId;

describe('a bootstrap address', () => {
  test('is dialled until somebody is there, and again when they are lost', async () => {
    const identity = await createIdentity(systemRandom);
    const first = await startNode({}, { identity });
    const listen = [first.addresses()[0]?.replace(/\/p2p\/.*/, '') ?? ''];
    await first.close();
    const node = await startNode({ bootstrap: listen, redialFirstMs: 10, redialMaxMs: 50 });
    for (const _restart of [1, 2, 3]) {
      const there = await startNode({ listen }, { identity });
      await connected(node, there.peerId);
      await there.close();
      await disconnected(node, there.peerId);
    }
  });

  test('may be the node itself, which it then leaves alone', async () => {
    const identity = await createIdentity(systemRandom);
    const other = await startNode();
    const probe = await startNode();
    const listen = [probe.addresses()[0]?.replace(/\/p2p\/.*/, '') ?? ''];
    await probe.close();
    const node = await startNode(
      {
        listen,
        bootstrap: [...listen, `${listen[0]}/p2p/${identity.peerId}`, ...other.addresses()],
        redialFirstMs: 10,
      },
      { identity },
    );
    await connected(node, other.peerId);
    expect(node.peers()).toEqual([other.peerId]);
  });
});

describe('dialling on', () => {
  const run = (
    dial: (clock: VirtualClock) => Promise<PeerId | undefined>,
  ): { clock: VirtualClock; stop: () => Promise<void>; lose: () => void } => {
    const clock = createVirtualClock();
    const ending = new AbortController();
    let lost = Promise.withResolvers<void>();
    const done = keepDialling(
      {
        clock,
        random: createSeededRandom(3),
        logger: silentLogger,
        dial: () => dial(clock),
        disconnected: async () => {
          await lost.promise;
          lost = Promise.withResolvers();
        },
      },
      '/ip4/192.0.2.1/tcp/1',
      { redialFirstMs: 500, redialMaxMs: 30_000, signal: ending.signal },
    );
    return {
      clock,
      lose: () => lost.resolve(),
      stop: async () => {
        ending.abort(new Error('closing'));
        await done;
      },
    };
  };

  test('waits longer after each failure, up to half a minute, never twice the same', async () => {
    const atMs: number[] = [];
    const { clock, stop } = run(async (time) => {
      atMs.push(time.now());
      throw new Error('nobody there');
    });
    await clock.advance(300_000);
    const pauses = atMs.slice(1).map((at, i) => at - (atMs[i] ?? 0));
    expect(new Set(pauses).size).toBe(pauses.length);
    for (const [i, pause] of pauses.entries()) {
      const cap = Math.min(30_000, 500 * 2 ** i);
      expect(pause).toBeGreaterThanOrEqual(cap / 2);
      expect(pause).toBeLessThanOrEqual(cap);
    }
    await stop();
    expect(clock.pending).toBe(0);
  });

  test('begins anew with short pauses once it was connected', async () => {
    let dials = 0;
    const { clock, lose, stop } = run(async () => {
      dials += 1;
      if (dials % 8 !== 0) throw new Error('nobody there');
      return peer;
    });
    await clock.advance(100_000);
    expect(dials).toBe(8);
    await clock.advance(1_000_000);
    expect(dials).toBe(8);
    lose();
    await clock.advance(500);
    expect(dials).toBe(9);
    await stop();
  });

  test('ends when it finds that the address is its own', async () => {
    const { clock } = run(async () => undefined);
    await clock.advance(1);
    expect(clock.pending).toBe(0);
  });
});
