/**
 * One stream for two readers. The first matters: it gets every byte, as fast as it asks. The second may look on: it is at most `maxAheadBytes` behind, may hold
 * the first up a little for that, and is left behind for good when it does so for too long, when it fails, or when it leaves.
 *
 *     const { first, second, drop } = createTee(client, { clock }, { maxAheadBytes, graceMs, maxHeldShare });
 *     void images.take(pending, second, …);          // may fail: nobody else is harmed
 *     for await (const bytes of first) await send(bytes);
 *
 * Nothing is read before `first` is; so a tee whose `first` nobody reads reads nothing. Both get the same buffers: neither may write into them.
 * `second` ends well only where `first` was read to the end of a source that ended well: whoever sees its end has seen everything.
 */
import type { Clock } from '@quarry/runtime';
import { GatewayError } from './gateway-error.ts';

export interface TeeOptions {
  /** How far the first reader may be ahead of the second; one chunk more. Bounds the memory. */
  readonly maxAheadBytes: number;
  /** How long the second may hold the first up in all, besides its share. */
  readonly graceMs: number;
  /** The share of the time since the first byte was asked for that the second may take of the first; 0 to below 1. With 0.2 the first has 0.8 × its speed. */
  readonly maxHeldShare: number;
  /** Called with each buffer that both readers say they are done with; one that the second will never get is the first's alone. */
  readonly onDone?: ((bytes: Uint8Array) => void) | undefined;
}

export interface Tee {
  /** To be read once. Rejects with what the source rejects with. */
  readonly first: AsyncIterable<Uint8Array>;
  /**
   * To be read once, or not at all. Rejects with the source's error, with GATEWAY_TEE_DROPPED where it fell behind or `first` was left before its end, or with
   * what `drop` was given.
   */
  readonly second: AsyncIterable<Uint8Array>;
  /** A reader is done with a buffer, and will not look at it again. Who never says so keeps nobody waiting: the garbage collector finds it. */
  readonly doneByFirst: (bytes: Uint8Array) => void;
  readonly doneBySecond: (bytes: Uint8Array) => void;
  /** Ends the second reader; the first goes on alone. No effect where it has ended. */
  drop(reason: unknown): void;
  /** What ended the second reader early, if anything did. */
  readonly dropped: { readonly reason: unknown } | undefined;
}

// A sender may cut its bytes as small as it likes: what each buffer costs besides its bytes counts, too.
const BUFFER_COST_BYTES = 1024;

type SecondState = 'open' | 'ended' | 'dropped';

export function createTee(
  source: AsyncIterable<Uint8Array>,
  { clock }: { readonly clock: Clock },
  { maxAheadBytes, graceMs, maxHeldShare, onDone }: TeeOptions,
): Tee {
  let queue: Uint8Array[] = [];
  let aheadBytes = 0;
  let state: SecondState = 'open';
  let dropped: { readonly reason: unknown } | undefined;
  let heldMs = 0;
  /** Of buffers that one reader at least has: how many are not done with them. */
  const users = new WeakMap<Uint8Array, number>();
  const done = (bytes: Uint8Array): void => {
    const left = (users.get(bytes) ?? 0) - 1;
    if (left > 0) return void users.set(bytes, left);
    if (users.delete(bytes)) onDone?.(bytes);
  };
  // At most one reader waits on each side.
  let wakeFirst: (() => void) | undefined;
  let wakeSecond: (() => void) | undefined;
  const wake = (): void => {
    wakeFirst?.();
    wakeSecond?.();
  };

  const drop = (reason: unknown): void => {
    if (state !== 'open') return;
    state = 'dropped';
    dropped = { reason };
    for (const bytes of queue) done(bytes); // it will never get these
    queue = [];
    aheadBytes = 0;
    wake();
  };
  const isFull = (): boolean => state === 'open' && aheadBytes >= maxAheadBytes;

  /** Waits until the second has caught up, or drops it. */
  const makeRoom = async (beganMs: number): Promise<void> => {
    const startMs = clock.now();
    const leftMs = (graceMs + maxHeldShare * (startMs - beganMs) - heldMs) / (1 - maxHeldShare); // its share grows while we wait
    const cancel = clock.after(leftMs, () => drop(tooSlow(leftMs)));
    while (isFull()) {
      await new Promise<void>((resolve) => {
        wakeFirst = resolve;
      });
    }
    wakeFirst = undefined;
    cancel();
    heldMs += clock.now() - startMs;
  };

  const firstBytes = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    const beganMs = clock.now();
    try {
      for await (const bytes of source) {
        users.set(bytes, state === 'open' ? 2 : 1);
        if (state === 'open') {
          queue.push(bytes);
          aheadBytes += bytes.length + BUFFER_COST_BYTES;
          wakeSecond?.();
        }
        yield bytes;
        if (isFull()) await makeRoom(beganMs);
      }
      if (state === 'open') state = 'ended';
      wakeSecond?.();
    } catch (error) {
      drop(error);
      throw error;
    } finally {
      drop(new GatewayError('GATEWAY_TEE_DROPPED', 'the stream was left before its end'));
    }
  };

  const secondBytes = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const bytes = queue.shift();
        if (bytes) {
          yield bytes;
          if (state !== 'dropped') aheadBytes -= bytes.length + BUFFER_COST_BYTES; // only now: until it comes again it holds them
          wakeFirst?.();
        } else if (state === 'open') {
          await new Promise<void>((resolve) => {
            wakeSecond = resolve;
          });
        } else break;
      }
      if (dropped) throw dropped.reason;
    } finally {
      drop(new GatewayError('GATEWAY_TEE_DROPPED', 'the second reader left'));
    }
  };

  return {
    first: firstBytes(),
    second: secondBytes(),
    doneByFirst: done,
    doneBySecond: done,
    drop,
    get dropped() {
      return dropped;
    },
  };
}

function tooSlow(leftMs: number): GatewayError {
  const message = `the second reader of a stream held the first up for too long (the last time for ${Math.round(leftMs)} ms): is the disk of the store slow?`;
  return new GatewayError('GATEWAY_TEE_DROPPED', message);
}
