/** The calls of a store: none begins after closing has, and closing waits for those under way. */
export interface Calls {
  /** Throws when closing has begun or the signal has aborted. */
  check(signal?: AbortSignal): void;
  run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
  readonly isClosing: boolean;
  /** From now on every call is refused; resolves when the last one under way has ended. */
  stop(): Promise<void>;
}

export function createCalls(closed: () => Error): Calls {
  let isClosing = false;
  let active = 0;
  let onIdle: (() => void) | undefined;
  const check: Calls['check'] = (signal) => {
    if (isClosing) throw closed();
    signal?.throwIfAborted();
  };
  return {
    check,
    async run(signal, work) {
      check(signal);
      active += 1;
      try {
        return await work();
      } finally {
        active -= 1;
        if (active === 0) onIdle?.();
      }
    },
    get isClosing() {
      return isClosing;
    },
    async stop() {
      isClosing = true;
      if (active > 0) await new Promise<void>((resolve) => (onIdle = resolve));
    },
  };
}
