import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { frameSocket } from '../../src/bulk/frame-socket.ts';
import type { FramedStream } from '../../src/network/framed-stream.ts';
import { until } from '../network/nodes.ts';

const MIB = 1024 * 1024;
const counting = { onSent: () => {}, onReceived: () => {} };

interface Pair {
  /** Reads into the targets that it is given. */
  readonly one: FramedStream;
  /** Takes data events, as the accepting side does. */
  readonly other: FramedStream;
  readonly socket: Socket;
  readonly raw: Socket;
}

async function startPair(sendPartBytes = 256 * 1024): Promise<Pair> {
  const server = createServer();
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  let socket: Socket | undefined;
  const one = frameSocket(
    (onread) => {
      socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', onread });
      return socket;
    },
    { sendPartBytes, ...counting },
  );
  const [raw] = (await accepted) as [Socket];
  const other = frameSocket(() => raw, { sendPartBytes, ...counting });
  onTestFinished(() => {
    one.abort(new Error('done'));
    other.abort(new Error('done'));
  });
  if (!socket) throw new TypeError('no socket');
  return { one, other, socket, raw };
}

function pattern(byteLength: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, i) => (i * 31 + (i >> 8) + seed) & 255);
}

describe('a socket as a framed stream', () => {
  test('brings what was sent, however it is cut into sends and fills', async () => {
    const { one, other } = await startPair(40_000);
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 150_000 })), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.boolean(), fc.boolean(), async (sent, filled, isForward, isLate) => {
        const [from, to] = isForward ? [one, other] : [other, one];
        const total = sent.reduce((sum, size) => sum + size, 0);
        const whole = pattern(total, total);
        to.expect(true);
        const sending = async (): Promise<void> => {
          let at = 0;
          for (const size of sent) {
            at += size;
            await from.send(whole.subarray(at - size, at), undefined, at < total);
          }
          await from.flush?.();
        };
        const isSent = sending();
        if (isLate) await new Promise((resolve) => setImmediate(resolve));
        const got = Buffer.alloc(total);
        for (let at = 0, i = 0; at < total; i += 1) {
          const end = Math.min(total, at + (filled[i % filled.length] ?? 1));
          await to.fill(got.subarray(at, end));
          at = end;
        }
        await isSent;
        to.expect(false);
        expect(Buffer.compare(got, whole)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test('sends few small pieces and the beginning of a large one together', async () => {
    const { other, raw } = await startPair();
    const writes: number[] = [];
    const write = raw.write.bind(raw);
    raw.write = ((chunk: Uint8Array, done: () => void) => {
      writes.push(chunk.byteLength);
      return write(chunk, done);
    }) as typeof raw.write;
    await other.send(new Uint8Array(5), undefined, true);
    await other.send(new Uint8Array(2), undefined, true);
    await other.send(new Uint8Array(MIB));
    expect(writes).toEqual([16_384, ...Array.from({ length: 3 }, () => 262_144), 262_144 - 16_384 + 7]);
  });

  test('does not hold a few bytes back for what is made slowly', async () => {
    const { one, other } = await startPair();
    one.expect(true);
    await other.send(new Uint8Array([1, 2, 3]), undefined, true);
    const got = new Uint8Array(3);
    await one.fill(got);
    expect([...got]).toEqual([1, 2, 3]);
  });

  test('takes no more from the kernel than a little when nobody reads, and so the sender stops', async () => {
    const { one, other, socket } = await startPair();
    one.expect(true);
    let parts = 0;
    const whole = new Uint8Array(64 * MIB);
    const sent = other.send(whole, () => {
      parts += 1;
    });
    await until(() => socket.isPaused());
    const before = parts;
    for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(parts - before).toBeLessThan(64);
    const took = socket.bytesRead;
    expect(took).toBeLessThan(256 * 1024);
    await one.fill(new Uint8Array(whole.byteLength));
    await sent;
  });

  test.for(['left', 'been broken off'] as const)('knows when what was sent has %s', async (how) => {
    const { one, other } = await startPair(32 * MIB);
    one.expect(true);
    await other.send(new Uint8Array(32 * MIB));
    let isFlushed = false;
    const flushed = other.flush?.().then(() => {
      isFlushed = true;
    });
    for (let i = 0; i < 100; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(isFlushed).toBe(false);
    if (how === 'left') {
      await one.fill(new Uint8Array(32 * MIB));
      await flushed;
    } else {
      const rejected = expect(flushed).rejects.toThrow('broken off');
      other.abort(new Error('broken off'));
      await rejected;
    }
  });

  test('writes nothing into a buffer after it was aborted', async () => {
    const { one, other } = await startPair();
    one.expect(true);
    const target = new Uint8Array(8 * MIB);
    const filled = one.fill(target, () => one.abort(new Error('enough')));
    await other.send(new Uint8Array(MIB).fill(1));
    await expect(filled).rejects.toThrow('enough');
    const copy = target.slice();
    await other.send(new Uint8Array(MIB).fill(2)).catch(() => {});
    for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(Buffer.compare(copy, target)).toBe(0);
  });

  test('is broken by who speaks out of turn', async () => {
    const { one, other } = await startPair();
    const ended = new Promise((resolve) => one.onEnd(resolve));
    await other.send(new Uint8Array([1]));
    expect(await ended).toMatchObject({ code: 'SWARM_BAD_MESSAGE' });
    expect(one.isOpen).toBe(false);
  });

  test('tells what waits that the other side has closed, or is gone', async () => {
    for (const how of ['close', 'abort'] as const) {
      const { one, other } = await startPair();
      one.expect(true);
      const filled = one.fill(new Uint8Array(10));
      if (how === 'close') other.close();
      else other.abort(new Error('gone'));
      await expect(filled).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE', canRetry: true });
      await expect(one.send(new Uint8Array(1))).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
    }
  });
});
