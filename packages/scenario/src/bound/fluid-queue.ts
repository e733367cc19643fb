/** A link as a fluid: what is asked of it, in the order of `atMs`, goes through it at its rate without a gap, as soon as it is asked for. */
export interface FluidQueue {
  add(atMs: number, bytes: number): void;
  /** When the last byte is through. No schedule is sooner: it is the largest of t + (bytes asked for at t or later) ÷ rate. 0 before the first. */
  finishMs(): number;
}

export function createFluidQueue(bytesPerSecond: number): FluidQueue {
  let finish = 0;
  return {
    add(atMs, bytes) {
      if (bytes > 0) finish = Math.max(finish, atMs) + (bytes / bytesPerSecond) * 1000;
    },
    finishMs: () => finish,
  };
}
