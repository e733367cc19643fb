/** One piece of work at a time per key, in the order of asking. */
export interface KeyedLock<Key> {
  run<T>(key: Key, work: () => Promise<T>): Promise<T>;
  isBusy(key: Key): boolean;
}

export function createKeyedLock<Key extends string | number>(): KeyedLock<Key> {
  const last = new Map<Key, Promise<unknown>>();
  return {
    async run(key, work) {
      const before = last.get(key);
      const mine = before ? before.then(work, work) : work();
      last.set(key, mine);
      try {
        return await mine;
      } finally {
        if (last.get(key) === mine) last.delete(key);
      }
    },
    isBusy: (key) => last.has(key),
  };
}
