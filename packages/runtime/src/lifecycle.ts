/** What was opened last is closed first; closing twice is closing once; every closer runs even if an earlier one failed. */
export interface Lifecycle {
  /** Aborts when closing begins: waiting work started under this lifecycle ends by it. */
  readonly signal: AbortSignal;
  /** Adds a closer; if closing has begun it runs at once, so nothing opened late is leaked. */
  onClose(name: string, close: () => void | Promise<void>): void;
  /** Runs all closers; rejects with an AggregateError naming those that failed. */
  close(reason?: Error): Promise<void>;
}

export function createLifecycle(): Lifecycle {
  const controller = new AbortController();
  const closers: { readonly name: string; readonly close: () => void | Promise<void> }[] = [];
  let closing: Promise<void> | undefined;
  const runAll = async (): Promise<void> => {
    const failures: Error[] = [];
    for (let closer = closers.pop(); closer; closer = closers.pop()) {
      try {
        await closer.close();
      } catch (cause) {
        failures.push(new Error(`closing ${closer.name} failed`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  };
  return {
    signal: controller.signal,
    onClose(name, close) {
      closers.push({ name, close });
      if (closing) closing = closing.then(runAll);
    },
    close(reason = new Error('closing')) {
      if (!closing) {
        controller.abort(reason);
        closing = runAll();
      }
      return closing;
    },
  };
}
