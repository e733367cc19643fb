import type { BytesBySource, OpenedImage, OriginRead } from '../ports/image-service.ts';
import type { UpstreamAnswer } from '../upstream.ts';

/** Consecutive bytes of an image, from one place. */
export interface ByteSource {
  readonly kind: 'quarry' | 'glance';
  /** The next bytes; one call at a time. */
  next(): Promise<IteratorResult<Uint8Array, unknown>>;
  /** Ends it, whatever it is doing; what waits for it must not rely on being told. */
  end(reason: unknown): void;
  /** Plain bytes of the image, so far. */
  bytesBySource(): BytesBySource;
  /** What it gave is known to be right at its end only: a download that it began is cut where it fails. */
  readonly isProvenLast?: boolean;
  /** Takes back a buffer that nobody looks at any more; passes over those of others. */
  recycle?(bytes: Uint8Array): void;
}

/** What Quarry has opened. `ending` is that of the signal it was opened with. */
export function quarrySource(opened: OpenedImage, ending: AbortController): ByteSource {
  const iterator = opened.bytes[Symbol.asyncIterator]();
  return {
    kind: 'quarry',
    next: () => iterator.next(),
    end(reason) {
      ending.abort(reason);
      // A generator that is in the middle of a step takes this as its next one.
      void iterator.return?.().then(undefined, () => {});
    },
    bytesBySource: () => opened.bytesBySource(),
    isProvenLast: opened.isProvenLast ?? false,
    recycle: (bytes) => opened.recycle?.(bytes),
  };
}

export interface GlanceSourceOptions {
  /** The budget that it comes under; released with the source. */
  readonly read: OriginRead | undefined;
  /** What lies before the bytes that are wanted. */
  readonly skipBytes: number;
  readonly signal: AbortSignal;
}

/** The body of an answer of Glance, each block as the budget lets it. */
export function glanceSource(answer: UpstreamAnswer, { read, skipBytes, signal }: GlanceSourceOptions): ByteSource {
  const { body } = answer;
  const ending = new AbortController();
  const waiting = { signal: AbortSignal.any([signal, ending.signal]) };
  let seenBytes = 0;
  const blocks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    let toSkip = skipBytes;
    for await (const block of body as AsyncIterable<Uint8Array>) {
      // Also for what is thrown away: it has crossed the store's link.
      await read?.take(block.length, waiting);
      seenBytes += block.length;
      const wanted = block.subarray(Math.min(toSkip, block.length));
      toSkip -= block.length - wanted.length;
      if (wanted.length > 0) yield wanted;
    }
  };
  const iterator = blocks();
  let isEnded = false;
  return {
    kind: 'glance',
    next: () => iterator.next(),
    end(reason) {
      if (isEnded) return;
      isEnded = true;
      ending.abort(reason);
      body.destroy();
      read?.release();
    },
    bytesBySource: () => ({ local: 0, peer: 0, seeder: 0, origin: seenBytes }),
  };
}

export function sumBySource(sources: readonly ByteSource[]): BytesBySource {
  const sum = { local: 0, peer: 0, seeder: 0, origin: 0 };
  for (const source of sources) {
    const { local, peer, seeder, origin } = source.bytesBySource();
    sum.local += local;
    sum.peer += peer;
    sum.seeder += seeder;
    sum.origin += origin;
  }
  return sum;
}
