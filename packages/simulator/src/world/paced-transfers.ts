import type { Transfer, Transfers } from './transfers.ts';

/** How much leaves between two looks at a limit: as in the daemon. */
export const SLICE_BYTES: number = 64 * 1024;

/** What has a gate that limits goes through it slice by slice: each is taken from the gate, and the next when it has arrived. */
export function pacedTransfers(transfers: Transfers, now: () => number): Transfers {
  return {
    start(from, to, bytes, done, options = {}) {
      const { gate } = options;
      if (!gate?.isLimited) return transfers.start(from, to, bytes, done, options);
      let cap = options.capBytesPerSecond ?? Infinity;
      let passed = 0;
      let slice: Transfer | undefined;
      let giveUp = (): void => {};
      let isOver = false;
      const next = (): void => {
        const length = Math.min(SLICE_BYTES, bytes - passed);
        if (length <= 0) {
          isOver = true;
          return done();
        }
        giveUp = gate.take(length, () => {
          if (isOver) return;
          const arrived = (): void => {
            passed += length;
            slice = undefined;
            next();
          };
          slice = transfers.start(from, to, length, arrived, { capBytesPerSecond: cap, broken });
        });
      };
      const broken = (): void => {
        isOver = true;
        options.broken?.();
      };
      const passedBytes = (): number => passed + (slice?.passedBytes() ?? 0);
      next();
      return {
        from,
        to,
        startedAtMs: now(),
        passedBytes,
        setCap(bytesPerSecond) {
          cap = bytesPerSecond;
          slice?.setCap(bytesPerSecond);
        },
        cancel() {
          if (isOver) return 0;
          isOver = true;
          giveUp();
          return passed + (slice?.cancel() ?? 0);
        },
      };
    },
  };
}
