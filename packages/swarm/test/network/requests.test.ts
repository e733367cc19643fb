import { describe, expect, test } from 'vitest';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import type { Answer, Request } from '../../src/ports/network.ts';
import { SwarmError } from '../../src/swarm-error.ts';
import { bytes, carriers, expectNoFallback, text, until } from './nodes.ts';

const PROTOCOL = '/quarry/test/1';
const MIB = 1024 * 1024;

function pattern(byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

function serve(node: Libp2pNetwork, handler: (request: Request) => Promise<Answer> | Answer): void {
  node.handle(PROTOCOL, { maxRequestBytes: 1024 }, async (request) => await handler(request));
}

describe.for(carriers)('over $name', ({ bulk, startNode, startPair }) => {
  describe('a request', () => {
    test('is answered by the peer it was sent to, who knows who asked', async () => {
      const [asker, peer] = await startPair();
      serve(peer, (request) => bytes(`${request.peer} said ${text(request.bytes)}`));
      const answer = await asker.request(peer.peerId, PROTOCOL, bytes('hello'), { maxBytes: 1024 });
      expect(text(answer)).toBe(`${asker.peerId} said hello`);
    });

    test('goes both ways on one connection', async () => {
      const [asker, peer] = await startPair();
      serve(asker, () => bytes('from the dialler'));
      const answer = await peer.request(asker.peerId, PROTOCOL, bytes(''), { maxBytes: 1024 });
      expect(text(answer)).toBe('from the dialler');
    });

    test.for([0, 1, 65_519, 128 * 1024, MIB, 5 * MIB + 7])('brings an answer of %i bytes whole', async (byteLength) => {
      const [asker, peer] = await startPair();
      const body = pattern(byteLength);
      serve(peer, () => body);
      const answer = await asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: byteLength });
      expect(Buffer.compare(answer, body)).toBe(0);
    });

    test('brings an answer that is made in parts, and tells how far it is', async () => {
      const [asker, peer] = await startPair();
      const body = pattern(3 * MIB);
      serve(peer, () => ({
        byteLength: body.byteLength,
        parts: (async function* () {
          for (let at = 0; at < body.byteLength; at += 300_000) yield body.subarray(at, at + 300_000);
        })(),
      }));
      const progress: number[] = [];
      const answer = await asker.request(peer.peerId, PROTOCOL, bytes('x'), {
        maxBytes: 4 * MIB,
        onProgress: (receivedBytes) => progress.push(receivedBytes),
      });
      expect(Buffer.compare(answer, body)).toBe(0);
      expect(progress.at(-1)).toBe(body.byteLength);
      expect(progress).toEqual(progress.toSorted((a, b) => a - b));
      expect(progress.length).toBeGreaterThan(3);
    });

    test.for([
      ['short of', 10],
      ['beyond', 1_000],
    ] as const)('fails when the parts of its answer end %s what was declared', async ([, byteLength]) => {
      const [asker, peer] = await startPair();
      serve(peer, () => ({ byteLength: 100, parts: [new Uint8Array(byteLength)] }));
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 1024 });
      await expect(answer).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
    });

    test('puts its answer where it is told to, and takes that once', async () => {
      const [asker, peer] = await startPair();
      const body = pattern(MIB + 3);
      serve(peer, () => body);
      const taken: number[] = [];
      const room = new Uint8Array(2 * MIB);
      const buffers = {
        take: async (byteLength: number) => {
          taken.push(byteLength);
          return room.subarray(7, 7 + byteLength);
        },
        give: () => {
          throw new Error('nothing was broken off');
        },
      };
      const answer = await asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 2 * MIB, buffers });
      expect([answer.buffer, answer.byteOffset, taken]).toEqual([room.buffer, 7, [body.byteLength]]);
      expect(Buffer.compare(answer, body)).toBe(0);
    });

    test('gives the room back when its answer is broken off, and reads nothing before it has room', async () => {
      const [asker, peer] = await startPair();
      const gone = Promise.withResolvers<void>();
      let made = 0;
      serve(peer, ({ signal }) => ({
        byteLength: 64 * MIB,
        parts: (function* () {
          signal.addEventListener('abort', () => gone.resolve(), { once: true });
          while (made < 64) {
            made += 1;
            yield new Uint8Array(MIB);
          }
        })(),
      }));
      const controller = new AbortController();
      const given: Uint8Array[] = [];
      const room = Promise.withResolvers<Uint8Array>();
      const asked = Promise.withResolvers<void>();
      const buffers = {
        take: (): Promise<Uint8Array> => {
          asked.resolve();
          return room.promise;
        },
        give: (buffer: Uint8Array) => given.push(buffer),
      };
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), {
        maxBytes: 64 * MIB,
        buffers,
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('enough')),
      });
      const rejected = expect(answer).rejects.toThrow('enough');
      await asked.promise;
      for (let i = 0; i < 300; i += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(made).toBeLessThan(32);
      const buffer = new Uint8Array(64 * MIB);
      room.resolve(buffer);
      await rejected;
      expect(given).toHaveLength(1);
      expect(given[0] === buffer).toBe(true);
      await gone.promise;
    });

    // libp2p cannot know when bytes have left, and never says so.
    if (bulk !== undefined)
      test('lets go of an answer once: when it has left, or is broken off', async () => {
        const [asker, peer] = await startPair();
        const released: string[] = [];
        serve(peer, (request) => {
          const name = text(request.bytes);
          const parts = name === 'whole' ? [new Uint8Array(MIB), new Uint8Array(MIB)] : [new Uint8Array(MIB)];
          return { byteLength: 2 * MIB, parts, release: () => released.push(name) };
        });
        const ask = (name: string): Promise<Uint8Array> =>
          asker.request(peer.peerId, PROTOCOL, bytes(name), { maxBytes: 2 * MIB });
        await ask('whole');
        await until(() => released.length === 1);
        await expect(ask('short')).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
        await until(() => released.length === 2);
        await ask('whole');
        await until(() => released.length === 3);
        expect(released).toEqual(['whole', 'short', 'whole']);
      });

    test('is refused by who does not handle its protocol', async () => {
      const [asker, peer] = await startPair();
      const answer = asker.request(peer.peerId, '/quarry/nobody/1', bytes('x'), { maxBytes: 1 });
      await expect(answer).rejects.toMatchObject({ code: 'SWARM_REFUSED' });
    });

    test('fails when its handler throws, and the next one is answered on the same stream', async () => {
      const [asker, peer] = await startPair();
      const answers = [
        () => {
          throw new Error('disk on fire');
        },
        () => bytes('better now'),
      ];
      serve(peer, () => answers.shift()?.() ?? bytes('too many'));
      const failed = asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 100 });
      await expect(failed).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE', canRetry: true });
      expect(text(await asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 100 }))).toBe('better now');
    });

    test('is refused by a handler that refuses, as by one that is not there', async () => {
      const [asker, peer] = await startPair();
      serve(peer, () => {
        throw new SwarmError('SWARM_REFUSED', 'not for you');
      });
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 1 });
      await expect(answer).rejects.toMatchObject({ code: 'SWARM_REFUSED', message: 'the peer refused' });
    });

    test('needs a connection: it does not dial', async () => {
      const [asker, peer] = [await startNode(), await startNode()];
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 1 });
      await expect(answer).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE', canRetry: true });
    });

    test('whose answer is declared larger than the cap is broken off before anything is allocated', async () => {
      const [asker, peer] = await startPair();
      const cancelled = Promise.withResolvers<void>();
      serve(peer, ({ signal }) => {
        signal.addEventListener('abort', () => cancelled.resolve(), { once: true });
        // 4 GiB declared, none of it ever made.
        return {
          byteLength: 0xffff_ffff,
          parts: (async function* () {
            await cancelled.promise;
            yield new Uint8Array(0);
          })(),
        };
      });
      const before = process.memoryUsage().arrayBuffers;
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 1000 });
      await expect(answer).rejects.toMatchObject({
        code: 'SWARM_TOO_LARGE',
        details: { byteLength: 0xffff_ffff, maxBytes: 1000 },
      });
      await cancelled.promise;
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB);
    });

    test('that is larger than the handler takes is broken off unread', async () => {
      const [asker, peer] = await startPair();
      let served = 0;
      serve(peer, () => {
        served += 1;
        return bytes('never');
      });
      const answer = asker.request(peer.peerId, PROTOCOL, new Uint8Array(1025), { maxBytes: 100 });
      await expect(answer).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
      expect(served).toBe(0);
    });
  });

  describe('cancelling', () => {
    test('rejects with the reason of the signal and aborts the handler on the other side', async () => {
      const [asker, peer] = await startPair();
      const begun = Promise.withResolvers<void>();
      const cancelled = Promise.withResolvers<void>();
      serve(peer, async ({ signal }) => {
        signal.addEventListener('abort', () => cancelled.resolve(), { once: true });
        begun.resolve();
        await cancelled.promise;
        return bytes('too late');
      });
      const controller = new AbortController();
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), { maxBytes: 100, signal: controller.signal });
      const reason = new Error('changed my mind');
      const rejected = expect(answer).rejects.toBe(reason);
      await begun.promise;
      controller.abort(reason);
      await rejected;
      await cancelled.promise;
    });

    test('works in the middle of a large answer, which then stops', async () => {
      const [asker, peer] = await startPair();
      const stopped = Promise.withResolvers<number>();
      const byteLength = 256 * MIB;
      serve(peer, ({ signal }) => ({
        byteLength,
        parts: (async function* () {
          let made = 0;
          try {
            while (made < byteLength) {
              made += MIB;
              yield new Uint8Array(MIB);
            }
          } finally {
            expect(signal.aborted).toBe(true);
            stopped.resolve(made);
          }
        })(),
      }));
      const controller = new AbortController();
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), {
        maxBytes: byteLength,
        signal: controller.signal,
        onProgress: (receivedBytes) => {
          if (receivedBytes > 2 * MIB) controller.abort();
        },
      });
      await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
      // Back-pressure: what was made ahead of the asker is bounded by windows and buffers, not by the answer.
      expect(await stopped.promise).toBeLessThan(32 * MIB);
    });

    test('before anything is sent sends nothing', async () => {
      const [asker, peer] = await startPair();
      serve(peer, () => bytes('never'));
      const answer = asker.request(peer.peerId, PROTOCOL, bytes('x'), {
        maxBytes: 100,
        signal: AbortSignal.abort(new Error('no')),
      });
      await expect(answer).rejects.toThrow('no');
      expect(asker.traffic().sentBytes).toBe(0);
    });
  });

  describe('streams', () => {
    test('are reused: ten thousand requests leave the streams, listeners and counters that one does', {
      timeout: 60_000,
    }, async () => {
      const [asker, peer] = await startPair();
      serve(peer, (request) => request.bytes);
      const controller = new AbortController();
      const { signal } = controller;
      let listening = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listening += 1;
        add(...args);
      };
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listening -= 1;
        remove(...args);
      };
      // Bulk connections take a few words to agree on.
      const expectBytes = (byteLength: number | undefined, expected: number): void => {
        expect(byteLength).toBeGreaterThanOrEqual(expected);
        expect(byteLength).toBeLessThanOrEqual(expected + (bulk ? 2_000 : 0));
      };
      const ask = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 1) {
          const answer = await asker.request(peer.peerId, PROTOCOL, bytes(`${i}`), { maxBytes: 100, signal });
          if (text(answer) !== `${i}`) throw new Error(`request ${i} was answered ${text(answer)}`);
        }
      };
      // The other side lets 16 streams be open (twice maxStreamsPerPeer): had one leaked in 500 requests, this would not end.
      await Promise.all([ask(2_500), ask(2_500), ask(2_500), ask(2_500)]);
      expect(listening).toBe(0);
      expect(asker.traffic()).toMatchObject({ openRequests: 0, openServed: 0 });
      await until(() => peer.traffic().openServed === 0);
      // 10,000 × (4 bytes of head and the digits of i, four times 0 to 2,499).
      const digits = Array.from({ length: 2_500 }, (_, i) => `${i}`.length).reduce((sum, n) => sum + n, 0) * 4;
      expectBytes(asker.traffic().sentBytes, 40_000 + digits);
      expectBytes(asker.traffic().receivedBytes, 50_000 + digits);
      const counted = peer.traffic().peers.get(asker.peerId);
      expectBytes(counted?.sentBytes, 50_000 + digits);
      expectBytes(counted?.receivedBytes, 40_000 + digits);
      expectNoFallback(asker);
    });

    test('are bounded per peer: more requests than streams wait their turn and are all answered', async () => {
      const [asker, peer] = await startPair({ maxStreamsPerPeer: 3 });
      let running = 0;
      let most = 0;
      const allRun = Promise.withResolvers<void>();
      serve(peer, async (request) => {
        running += 1;
        most = Math.max(most, running);
        if (running === 3) allRun.resolve();
        await allRun.promise;
        running -= 1;
        return request.bytes;
      });
      const answers = await Promise.all(
        Array.from({ length: 40 }, async (_, i) =>
          text(await asker.request(peer.peerId, PROTOCOL, bytes(`${i}`), { maxBytes: 9 })),
        ),
      );
      expect(answers).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`));
      expect(most).toBe(3);
    });

    test('of one peer are served at most so many at once, over all protocols; the others wait unread', async () => {
      const [asker, peer] = await startPair({ maxServedPerPeer: 2 });
      let running = 0;
      let most = 0;
      const allRun = Promise.withResolvers<void>();
      const handler = async (request: Request): Promise<Answer> => {
        running += 1;
        most = Math.max(most, running);
        if (running === 2) allRun.resolve();
        await allRun.promise;
        running -= 1;
        return request.bytes;
      };
      const protocols = ['/quarry/a/1', '/quarry/b/1', '/quarry/c/1'];
      for (const protocol of protocols) peer.handle(protocol, { maxRequestBytes: 10 }, handler);
      const asked = Array.from({ length: 30 }, (_, i) => protocols[i % 3] ?? '');
      await Promise.all(asked.map((protocol) => asker.request(peer.peerId, protocol, bytes('x'), { maxBytes: 9 })));
      expect(most).toBe(2);
    });
  });
});
