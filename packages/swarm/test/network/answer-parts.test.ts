import { createVirtualClock, silentLogger } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { requestFrame } from '../../src/network/exchange-frames.ts';
import { createExchangeServer } from '../../src/network/exchange-server.ts';
import type { FramedStream } from '../../src/network/framed-stream.ts';
import type { PeerId } from '../../src/ports/network.ts';
import { until } from './nodes.ts';

/** A connection on which one request has come, and whose bytes leave when the test says so. */
function streamWith(request: Uint8Array, left: Promise<void>): FramedStream {
  let at = 0;
  return {
    isOpen: true,
    expect() {},
    fill(target) {
      if (at >= request.length) return new Promise(() => {});
      target.set(request.subarray(at, at + target.length));
      at += target.length;
      return Promise.resolve();
    },
    send: async () => {},
    flush: () => left,
    abort() {},
    close() {},
    onEnd: () => () => {},
  };
}

test('parts are asked for their end when all have left, not when they have been taken', async () => {
  const left = Promise.withResolvers<void>();
  let given = 0;
  let hasEnded = false;
  async function* parts(): AsyncGenerator<Uint8Array> {
    for (const part of [new Uint8Array(10), new Uint8Array(20)]) {
      given += 1;
      yield part;
    }
    hasEnded = true;
  }
  const server = createExchangeServer(
    { clock: createVirtualClock(), logger: silentLogger },
    { maxServedPerPeer: 1, idleTimeoutMs: 10_000 },
  );
  const stream = streamWith(requestFrame(new Uint8Array(3)), left.promise);
  void server.serve('peer' as PeerId, stream, {
    protocol: '/quarry/test/1',
    maxRequestBytes: 100,
    handler: async () => ({ byteLength: 30, parts: parts() }),
  });
  await until(() => given === 2);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  expect(hasEnded).toBe(false);
  expect(server.openExchanges).toBe(1);
  left.resolve();
  await until(() => hasEnded);
  await until(() => server.openExchanges === 0);
});
