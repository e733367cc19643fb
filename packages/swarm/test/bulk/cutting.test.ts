// Bulk connections last no longer than the connection that vouches for them.
import { describe, expect, test } from 'vitest';
import type { BulkNetwork } from '../../src/bulk/create-bulk-network.ts';
import { bytes, disconnected, startBulkNode, text, until } from '../network/nodes.ts';

const PROTOCOL = '/quarry/test/1';

async function startPair(mode: 'tls' | 'plain'): Promise<readonly [BulkNetwork, BulkNetwork]> {
  const [asker, peer] = [await startBulkNode(mode), await startBulkNode(mode)];
  await asker.dial(peer.peerId, peer.addresses());
  return [asker, peer];
}

/** A request that the peer holds until it hears that it is over. */
async function ask(asker: BulkNetwork, peer: BulkNetwork): Promise<{ answer: Promise<unknown>; over: Promise<void> }> {
  const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const forget = peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async ({ signal }) => {
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    begun.resolve();
    await over.promise;
    return bytes('');
  });
  const answer = asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 10 }).catch((error: unknown) => error);
  await begun.promise;
  forget();
  return { answer, over: over.promise };
}

describe.for(['tls', 'plain'] as const)('bulk connections (%s)', (mode) => {
  test.for<readonly [string, string, (asker: BulkNetwork, peer: BulkNetwork) => unknown]>([
    ['the asker hangs up', 'SWARM_UNREACHABLE', (asker, peer) => asker.hangUp(peer.peerId)],
    ['the other side hangs up', 'SWARM_UNREACHABLE', (asker, peer) => peer.hangUp(asker.peerId)],
    ['the asker bans', 'SWARM_UNREACHABLE', (asker, peer) => asker.ban(peer.peerId, 'a test')],
    ['the other side bans', 'SWARM_UNREACHABLE', (asker, peer) => peer.ban(asker.peerId, 'a test')],
    ['the asker closes', 'SWARM_CLOSED', (asker) => asker.close()],
    ['the other side closes', 'SWARM_UNREACHABLE', (_, peer) => peer.close()],
  ])('end when %s, with all that is under way on them', async ([, code, part]) => {
    const [asker, peer] = await startPair(mode);
    const { answer, over } = await ask(asker, peer);
    expect([asker.bulk().openConnections, peer.bulk().openConnections]).toEqual([1, 1]);
    await part(asker, peer);
    expect(await answer).toMatchObject({ code });
    await over;
    await Promise.all([disconnected(asker, peer.peerId), disconnected(peer, asker.peerId)]);
    await until(() => asker.bulk().openConnections + peer.bulk().openConnections === 0);
    expect([asker.traffic().openRequests, peer.traffic().openServed]).toEqual([0, 0]);
  });

  test('are agreed on anew by peers that meet again', async () => {
    const [asker, peer] = await startPair(mode);
    peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async (request) => request.bytes);
    for (let i = 0; i < 3; i += 1) {
      const answer = await asker.request(peer.peerId, PROTOCOL, bytes(`${i}`), { maxBytes: 10 });
      expect(text(answer)).toBe(`${i}`);
      const gone = [disconnected(asker, peer.peerId), disconnected(peer, asker.peerId)];
      peer.hangUp(asker.peerId);
      await Promise.all(gone);
      await asker.dial(peer.peerId, peer.addresses());
    }
    expect(asker.bulk()).toMatchObject({ fallbacks: 0 });
  });

  test('are replaced when they have carried what one key is good for', async () => {
    const asker = await startBulkNode(mode, {}, {}, { retireConnectionBytes: 2_500 });
    const peer = await startBulkNode(mode);
    await asker.dial(peer.peerId, peer.addresses());
    peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async () => new Uint8Array(1_000));
    const open: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      expect(await asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 1_000 })).toHaveLength(1_000);
      open.push(asker.bulk().openConnections);
    }
    expect(open).toEqual([1, 1, 0, 1, 1, 0]);
    expect(asker.bulk().fallbacks).toBe(0);
  });
});
