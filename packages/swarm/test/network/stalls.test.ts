import { createVirtualClock } from '@quarry/runtime';
import type { VirtualClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import { bytes, carriers, text, until } from './nodes.ts';

const PROTOCOL = '/quarry/test/1';

describe.for(carriers)('over $name', ({ bulk, startNode }) => {
  /** The asker lives in virtual time, its peer in ours: the peer never notices that it stalls. */
  async function startAsker(): Promise<{ asker: Libp2pNetwork; peer: Libp2pNetwork; clock: VirtualClock }> {
    const clock = createVirtualClock();
    const asker = await startNode({ idleTimeoutMs: 4_000, idleStreamMs: 30_000 }, { clock });
    const peer = await startNode();
    await asker.dial(peer.peerId, peer.addresses());
    return { asker, peer, clock };
  }

  test('a peer that does not begin to answer is left at the idle timeout, and hears of it', async () => {
    const { asker, peer, clock } = await startAsker();
    const cancelled = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async ({ signal }) => {
      signal.addEventListener('abort', () => cancelled.resolve(), { once: true });
      begun.resolve();
      await cancelled.promise;
      return bytes('');
    });
    let isOver = false;
    const answer = asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 10 }).finally(() => {
      isOver = true;
    });
    const rejected = expect(answer).rejects.toMatchObject({
      code: 'SWARM_STALLED',
      canRetry: true,
      details: { peer: peer.peerId, protocol: PROTOCOL, idleTimeoutMs: 4_000 },
    });
    await begun.promise;
    await clock.advance(3_999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await rejected;
    await cancelled.promise;
  });

  test('a peer that stops in the middle of an answer is left at the idle timeout after its last byte', async () => {
    const { asker, peer, clock } = await startAsker();
    const goOn = Promise.withResolvers<void>();
    peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async ({ signal }) => ({
      byteLength: 30,
      parts: (async function* () {
        yield new Uint8Array(10);
        await goOn.promise;
        yield new Uint8Array(10);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      })(),
    }));
    let received = 0;
    const answer = asker.request(peer.peerId, PROTOCOL, bytes('?'), {
      maxBytes: 100,
      onProgress: (receivedBytes) => {
        received = receivedBytes;
      },
    });
    const rejected = expect(answer).rejects.toMatchObject({ code: 'SWARM_STALLED' });
    await until(() => received === 10);
    await clock.advance(3_000);
    goOn.resolve();
    await until(() => received === 20);
    await clock.advance(3_000);
    expect(asker.traffic().openRequests).toBe(1);
    await clock.advance(1_000);
    await rejected;
    expect(asker.traffic().openRequests).toBe(0);
  });

  test('an answer that is made slowly is no stall of who asked, who may wait for each part', async () => {
    const clock = createVirtualClock();
    const asker = await startNode();
    const peer = await startNode({ idleTimeoutMs: 4_000 }, { clock });
    await asker.dial(peer.peerId, peer.addresses());
    const made = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async () => ({
      byteLength: 30,
      parts: (async function* () {
        for (const { promise } of made) {
          yield new Uint8Array(10);
          await promise;
        }
        yield new Uint8Array(10);
      })(),
    }));
    let received = 0;
    const answer = asker.request(peer.peerId, PROTOCOL, bytes('?'), {
      maxBytes: 100,
      onProgress: (receivedBytes) => {
        received = receivedBytes;
      },
    });
    for (const [i, { resolve }] of made.entries()) {
      await until(() => received === 10 * (i + 1));
      await clock.advance(9_000);
      resolve();
    }
    expect((await answer).length).toBe(30);
  });

  test('a request may have an idle timeout of its own', async () => {
    const { asker, peer, clock } = await startAsker();
    peer.handle(
      PROTOCOL,
      { maxRequestBytes: 10 },
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(bytes('')), { once: true });
        }),
    );
    const answer = asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 10, idleTimeoutMs: 200 });
    const rejected = expect(answer).rejects.toMatchObject({ code: 'SWARM_STALLED', details: { idleTimeoutMs: 200 } });
    await clock.advance(200);
    await rejected;
  });

  test('streams that nobody used for a while are closed, and opened again when needed', async () => {
    const { asker, peer, clock } = await startAsker();
    peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async (request) => request.bytes);
    const ask = async (): Promise<string> =>
      text(await asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 10 }));
    expect(await ask()).toBe('?');
    await clock.advance(60_000);
    expect(await ask()).toBe('?');
    await clock.advance(60_000);
    // No timer but those that look for idle streams is left.
    expect(clock.pending).toBe(bulk ? 2 : 1);
  });
});
