// A member of the cluster that does not keep to the protocol: nothing it sends is taken for something else, and nothing stays behind.
import { createVirtualClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import { bytes, carriers, newClusterKey, text, until } from './nodes.ts';
import { rawCarrierOf, startRawNode, u32 } from './raw-node.ts';
import type { RawNode } from './raw-node.ts';

const PROTOCOL = '/quarry/test/1';
const OPTIONS = { maxBytes: 1000 };

describe.for(carriers)('over $name', ({ bulk, startNode }) => {
  const converse = rawCarrierOf(bulk);

  async function startWithRaw(): Promise<readonly [Libp2pNetwork, RawNode]> {
    const clusterKey = newClusterKey();
    return [await startNode({}, { clusterKey }), await startRawNode(clusterKey)];
  }

  async function dialRaw(node: Libp2pNetwork, raw: RawNode): Promise<void> {
    await node.dial(raw.peerId, raw.libp2p.getMultiaddrs().map(String));
  }

  describe('an asker', () => {
    test('that declares a request beyond the limit is reset before it sends it', async () => {
      const [node, raw] = await startWithRaw();
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => bytes('never'));
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.send(u32(101));
      await stream.ended;
    });

    test('that sends two requests at once is reset, and neither is served', async () => {
      const [node, raw] = await startWithRaw();
      let served = 0;
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => {
        served += 1;
        return bytes('never');
      });
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.send(Buffer.concat([u32(1), bytes('a'), u32(1), bytes('b')]));
      await stream.ended;
      await until(() => node.traffic().openServed === 0);
      expect(served).toBe(0);
    });

    test('that sends the next request before it was answered is reset, and the handler hears of it', async () => {
      const [node, raw] = await startWithRaw();
      const begun = Promise.withResolvers<void>();
      const cancelled = Promise.withResolvers<unknown>();
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async ({ signal }) => {
        signal.addEventListener('abort', () => cancelled.resolve(signal.reason), { once: true });
        begun.resolve();
        await cancelled.promise;
        return bytes('too late');
      });
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.send(Buffer.concat([u32(1), bytes('a')]));
      await begun.promise;
      stream.send(Buffer.concat([u32(1), bytes('b')]));
      await stream.ended;
      expect(await cancelled.promise).toMatchObject({ code: 'SWARM_BAD_MESSAGE' });
      await until(() => node.traffic().openServed === 0);
    });

    test('that sends more than it declared is reset', async () => {
      const [node, raw] = await startWithRaw();
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async (request) => request.bytes);
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.send(Buffer.concat([u32(1), new Uint8Array(5000)]));
      await stream.ended;
    });

    test('that stops in the middle of a request is reset after the idle timeout', async () => {
      const clusterKey = newClusterKey();
      const clock = createVirtualClock();
      const [node, raw] = [
        await startNode({ idleTimeoutMs: 3_000 }, { clusterKey, clock }),
        await startRawNode(clusterKey),
      ];
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async (request) => request.bytes);
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.send(Buffer.concat([u32(10), bytes('half')]));
      await until(() => node.traffic().openServed === 1);
      await clock.advance(2_999);
      expect(stream.isOpen).toBe(true);
      await clock.advance(1);
      await stream.ended;
      await until(() => node.traffic().openServed === 0);
    });

    test('that does not take its answer is reset after the idle timeout, and its place is free again', async () => {
      const clusterKey = newClusterKey();
      const clock = createVirtualClock();
      const [node, raw] = [
        await startNode({ idleTimeoutMs: 3_000 }, { clusterKey, clock }),
        await startRawNode(clusterKey),
      ];
      let made = 0;
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => ({
        byteLength: 64 * 1024 * 1024,
        parts: (function* () {
          while (made < 64) {
            made += 1;
            yield new Uint8Array(1024 * 1024);
          }
        })(),
      }));
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.stopReading();
      stream.send(Buffer.concat([u32(1), bytes('a')]));
      await until(() => made > 0 && node.traffic().openServed === 1);
      while (node.traffic().openServed > 0) await clock.advance(1_000);
      // Back-pressure held it: the windows filled, the rest was never made.
      expect(made).toBeLessThan(32);
      stream.abort();
    });

    test('that half-closes its stream has it closed', async () => {
      const [node, raw] = await startWithRaw();
      node.handle(PROTOCOL, { maxRequestBytes: 100 }, async (request) => request.bytes);
      const stream = await converse.open(raw, node, PROTOCOL);
      stream.halfClose();
      await stream.ended;
    });
  });

  describe('a peer that is asked', () => {
    test.for([
      ['an unknown status', Buffer.concat([Uint8Array.of(7), u32(1), bytes('a')]), 'SWARM_BAD_MESSAGE'],
      ['a failure with a length', Buffer.concat([Uint8Array.of(1), u32(1), bytes('a')]), 'SWARM_BAD_MESSAGE'],
      ['an answer beyond the cap', Buffer.concat([Uint8Array.of(0), u32(1001), bytes('a')]), 'SWARM_TOO_LARGE'],
    ] as const)('and sends %s is not believed', async ([, answer, code]) => {
      const [node, raw] = await startWithRaw();
      const reset = Promise.withResolvers<void>();
      await converse.handle(raw, PROTOCOL, (stream) => {
        stream.onMessage(() => stream.send(answer));
        void stream.ended.then(reset.resolve);
      });
      await dialRaw(node, raw);
      await expect(node.request(raw.peerId, PROTOCOL, bytes('?'), OPTIONS)).rejects.toMatchObject({ code });
      await reset.promise;
    });

    test('and sends more than it declared has the stream reset, not its rest taken for the next answer', async () => {
      const [node, raw] = await startWithRaw();
      let opened = 0;
      await converse.handle(raw, PROTOCOL, (stream) => {
        opened += 1;
        stream.onMessage(() => {
          stream.send(Buffer.concat([Uint8Array.of(0), u32(4), bytes('good'), Uint8Array.of(0), u32(3), bytes('bad')]));
        });
      });
      await dialRaw(node, raw);
      for (const nth of [1, 2, 3]) {
        expect(text(await node.request(raw.peerId, PROTOCOL, bytes('?'), OPTIONS))).toBe('good');
        expect(opened).toBe(nth);
      }
    });

    test('and speaks while nobody asked has the stream reset', async () => {
      const [node, raw] = await startWithRaw();
      let unasked = Promise.withResolvers<void>();
      await converse.handle(raw, PROTOCOL, (stream) => {
        stream.onMessage(() => stream.send(Buffer.concat([Uint8Array.of(0), u32(4), bytes('good')])));
        void stream.ended.then(() => unasked.resolve());
        void unasked.promise.catch(() => undefined);
        speakLater = () => stream.send(bytes('psst'));
      });
      let speakLater = (): void => {};
      await dialRaw(node, raw);
      expect(text(await node.request(raw.peerId, PROTOCOL, bytes('?'), OPTIONS))).toBe('good');
      speakLater();
      await unasked.promise;
      unasked = Promise.withResolvers();
      expect(text(await node.request(raw.peerId, PROTOCOL, bytes('?'), OPTIONS))).toBe('good');
    });

    test('and closes in the middle of its answer has not answered', async () => {
      const [node, raw] = await startWithRaw();
      await converse.handle(raw, PROTOCOL, (stream) => {
        stream.onMessage(() => {
          stream.send(Buffer.concat([Uint8Array.of(0), u32(100), bytes('half')]));
          stream.halfClose();
        });
      });
      await dialRaw(node, raw);
      await expect(node.request(raw.peerId, PROTOCOL, bytes('?'), OPTIONS)).rejects.toMatchObject({
        code: 'SWARM_UNREACHABLE',
        canRetry: true,
      });
    });

    // Of bulk connections there are no streams.
    if (bulk === undefined)
      test('and opens streams without end is held at the limit', async () => {
        const [node, raw] = await startWithRaw();
        node.handle(PROTOCOL, { maxRequestBytes: 100 }, async (request) => request.bytes);
        const opened = await Promise.allSettled(Array.from({ length: 40 }, () => converse.open(raw, node, PROTOCOL)));
        const streams = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
        await until(() => streams.filter(({ isOpen }) => isOpen).length <= 16);
        expect(streams.some(({ isOpen }) => isOpen)).toBe(true);
      });
  });
});
