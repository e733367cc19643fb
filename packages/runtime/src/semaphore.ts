/** At most `limit` pieces of work at once; the others wait in order of arrival. */
export interface Semaphore {
  run<T>(work: () => Promise<T>, options?: { readonly signal?: AbortSignal | undefined }): Promise<T>;
  readonly active: number;
  readonly waiting: number;
}

export function createSemaphore(limit: number): Semaphore {
  if (!Number.isInteger(limit) || limit < 1)
    throw new TypeError(`a semaphore's limit is a whole number from 1, not ${limit}`);
  let active = 0;
  const queue = new Set<() => void>();
  const enter = (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    if (active < limit) {
      active += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        queue.delete(admit);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      queue.add(admit);
    });
  };
  const exit = (): void => {
    const [next] = queue;
    if (next) {
      queue.delete(next);
      next(); // the place passes on: `active` stays
    } else active -= 1;
  };
  return {
    async run(work, { signal } = {}) {
      await enter(signal);
      try {
        return await work();
      } finally {
        exit();
      }
    },
    get active() {
      return active;
    },
    get waiting() {
      return queue.size;
    },
  };
}
