import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemRandom } from '@quarry/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { generateClusterKey, parseClusterKey } from '../../src/network/cluster-key.ts';
import { bytes, carriers, disconnected } from './nodes.ts';

const PROTOCOL = '/quarry/test/1';
const WITHIN_MS = 2_000;

describe.for(carriers)('over $name', ({ bulk, startNode, startPair }) => {
  describe('closing', () => {
    test('ends the requests on both sides and tells the peer', async () => {
      const [asker, peer] = await startPair();
      const begun = Promise.withResolvers<void>();
      const cancelled = Promise.withResolvers<void>();
      peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async ({ signal }) => {
        signal.addEventListener('abort', () => cancelled.resolve(), { once: true });
        begun.resolve();
        await cancelled.promise;
        return bytes('');
      });
      const rejected = expect(asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 10 })).rejects.toMatchObject(
        {
          code: 'SWARM_CLOSED',
        },
      );
      await begun.promise;
      const gone = disconnected(peer, asker.peerId);
      await asker.close();
      await rejected;
      await cancelled.promise;
      await gone;
    });

    test('of the peer breaks off what it was answering', async () => {
      const [asker, peer] = await startPair();
      const begun = Promise.withResolvers<void>();
      peer.handle(PROTOCOL, { maxRequestBytes: 10 }, async ({ signal }) => {
        begun.resolve();
        return await new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(bytes('')), { once: true });
        });
      });
      const rejected = expect(asker.request(peer.peerId, PROTOCOL, bytes('?'), { maxBytes: 10 })).rejects.toMatchObject(
        {
          code: 'SWARM_UNREACHABLE',
          canRetry: true,
        },
      );
      await begun.promise;
      await peer.close();
      await rejected;
      await disconnected(asker, peer.peerId);
    });

    test('makes every call reject, tells that the peers are gone, and is done once however often it is called', async () => {
      const [node, other] = await startPair();
      const told: string[] = [];
      node.listen({ peerDisconnected: (peer) => told.push(peer) });
      await Promise.all([node.close(), node.close()]);
      await node.close();
      expect(told).toEqual([other.peerId]);
      expect([node.peers(), node.addresses()]).toEqual([[], []]);
      const closed = { code: 'SWARM_CLOSED' };
      await expect(node.dial(other.peerId, other.addresses())).rejects.toMatchObject(closed);
      await expect(node.dialAddress(other.addresses()[0] ?? '')).rejects.toMatchObject(closed);
      await expect(node.request(other.peerId, PROTOCOL, bytes(''), { maxBytes: 1 })).rejects.toMatchObject(closed);
      await expect(node.publish('topic', bytes(''))).rejects.toMatchObject(closed);
      const listener = { validate: () => 'accept' as const, onMessage: () => {} };
      expect(() => node.subscribe('topic', listener)).toThrow(expect.objectContaining(closed));
      expect(() => node.handle(PROTOCOL, { maxRequestBytes: 1 }, async () => bytes(''))).toThrow(
        expect.objectContaining(closed),
      );
    });

    test('ends a dial that is under way', async () => {
      const node = await startNode();
      // Nobody accepts at an address of the documentation's range; on a host without a route it fails at once, which is as good.
      const dial = node.dialAddress('/ip4/127.0.0.1/tcp/9').catch((error: unknown) => error);
      await node.close();
      expect(await dial).toMatchObject({ code: expect.stringMatching(/^SWARM_/) });
    });

    test('takes no longer than two seconds when a peer has stopped in the middle of an answer', {
      timeout: 30_000,
    }, async () => {
      const key = generateClusterKey(systemRandom);
      const child = spawn(
        process.execPath,
        ['--conditions=source', fileURLToPath(new URL('./peer-process.ts', import.meta.url)), key, bulk ?? ''],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      onTestFinished(async () => {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      });
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const node = await startNode({}, { clusterKey: parseClusterKey(key) });
      const peer = await node.dialAddress(line.toString().trim());
      await node.request(peer, PROTOCOL, bytes('?'), { maxBytes: 1024 * 1024 });
      let isStopped = false;
      const asked = Array.from({ length: 8 }, async () => {
        for (;;) {
          await node.request(peer, PROTOCOL, bytes('?'), {
            maxBytes: 1024 * 1024,
            onProgress: () => {
              if (!isStopped) isStopped = child.kill('SIGSTOP');
            },
          });
        }
      });
      const ended = Promise.allSettled(asked);
      while (!isStopped) await new Promise((resolve) => setImmediate(resolve));
      const startedAtMs = performance.now();
      await node.close();
      expect(performance.now() - startedAtMs).toBeLessThan(WITHIN_MS);
      for (const result of await ended)
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'SWARM_CLOSED' } });
    });
  });
});
