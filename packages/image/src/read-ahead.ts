/**
 * Reads a source while its reader works on what came before: up to `maxBytes` wait in between. Buffers are passed on untouched and in order.
 * An error comes out after everything that was read before it. Whoever stops early ends the source too (`return`), as `for await` does, but
 * does not wait for it: a source that hangs in `next` would not get to its `return` either.
 */
export async function* readAhead(
  source: AsyncIterable<Uint8Array>,
  options: { readonly maxBytes: number; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { maxBytes, signal } = options;
  const iterator = source[Symbol.asyncIterator]();
  const ready: Uint8Array[] = [];
  let readyBytes = 0;
  let isReading = false;
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const readOne = async (): Promise<void> => {
    isReading = true;
    try {
      const { done, value } = await iterator.next();
      if (done === true) isOver = true;
      else {
        ready.push(value);
        readyBytes += value.length;
      }
    } catch (error) {
      failure = { error };
    }
    isReading = false;
    readOn();
    wake?.();
  };
  const readOn = (): void => {
    if (!isReading && !isOver && !failure && !signal?.aborted && readyBytes < maxBytes) void readOne();
  };
  const onAbort = (): void => wake?.();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      readOn();
      const next = ready.shift();
      if (next) {
        readyBytes -= next.length;
        readOn();
        yield next;
      } else if (failure) throw failure.error;
      else if (isOver) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    const isUnfinished = !isOver && !failure;
    isOver = true;
    if (isUnfinished) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/** A source that can be ended also before anybody has begun to read it: whoever pushes into it waits for a reader otherwise. */
export interface EndableSource extends AsyncIterable<Uint8Array> {
  /** Does nothing once reading has begun: then it is the reader's to end. */
  end(): void;
}

export function beginLater(source: AsyncIterable<Uint8Array>): EndableSource {
  let hasBegun = false;
  const begin = (): AsyncIterator<Uint8Array> => {
    hasBegun = true;
    return source[Symbol.asyncIterator]();
  };
  return {
    [Symbol.asyncIterator]: begin,
    end() {
      if (!hasBegun) void Promise.resolve(begin().return?.()).catch(() => {});
    },
  };
}
