/** What was opened last is closed first; closing twice is closing once; every closer runs even if an earlier one failed. */
export interface Lifecycle {
  /** Aborts when closing begins: waiting work started under this lifecycle ends by it. */
  readonly signal: AbortSignal;
  /** Adds a closer; if closing has begun it runs at once, so nothing opened late is leaked. */
  onClose(name: string, close: () => void | Promise<void>): void;
  /** Runs all closers; rejects with an AggregateError naming those that failed, late ones too when called again. A closer must not wait for it. */
  close(reason?: Error): Promise<void>;
}

export function createLifecycle(): Lifecycle {
  const controller = new AbortController();
  const closers: { readonly name: string; readonly close: () => void | Promise<void> }[] = [];
  const failures: Error[] = [];
  let closing: Promise<void> | undefined;
  let isRunning = false;
  const runAll = async (): Promise<void> => {
    isRunning = true;
    for (let closer = closers.pop(); closer; closer = closers.pop()) {
      try {
        await closer.close();
      } catch (cause) {
        failures.push(new Error(`closing ${closer.name} failed`, { cause }));
      }
    }
    isRunning = false;
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  };
  return {
    signal: controller.signal,
    onClose(name, close) {
      closers.push({ name, close });
      if (!closing || isRunning) return;
      closing = runAll();
      closing.catch(() => {}); // for whoever closes again; nobody else may be listening any more
    },
    close(reason = new Error('closing')) {
      if (!closing) {
        // Both before the signal: its listeners may add closers, which belong with the rest, or close us themselves.
        isRunning = true;
        closing = Promise.resolve().then(runAll);
        controller.abort(reason);
      }
      return closing;
    },
  };
}
