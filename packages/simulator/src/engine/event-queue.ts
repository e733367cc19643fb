import { EntryHeap } from './entry-heap.ts';
import { SlotTable } from './slot-table.ts';

/** Virtual time, and what is to happen in it. Same calls, same order: nothing here asks the machine for anything. */
export interface EventQueue {
  /** Milliseconds since the start; moves only when an event runs. */
  readonly nowMs: number;
  /**
   * Runs `run` at `atMs` (now at the earliest); what is due at the same time runs in the order in which it was scheduled.
   * The returned number cancels it. A time that is not finite is a TypeError.
   */
  at(atMs: number, run: () => void): number;
  /** Idempotent; harmless after it ran. */
  cancel(id: number): void;
  /** Runs the next event; false when there is none or it lies after `limitMs`. */
  runNext(limitMs: number): boolean;
  /** Events that are to run, without the cancelled ones. */
  readonly pending: number;
}

// Fewer cancelled entries than this are not worth a sweep.
const MIN_SWEPT = 1_024;

export function createEventQueue(): EventQueue {
  return new HeapEventQueue();
}

/** A cancelled event stays in the heap until its time comes, or until such entries are the larger half. */
class HeapEventQueue implements EventQueue {
  nowMs = 0;
  pending = 0;
  readonly #heap = new EntryHeap();
  readonly #slots = new SlotTable();
  readonly #runs: ((() => void) | undefined)[] = [];
  #scheduled = 0;

  at(atMs: number, run: () => void): number {
    if (!Number.isFinite(atMs)) throw new TypeError(`an event needs a finite time in ms, not ${atMs}`);
    const slot = this.#slots.acquire();
    this.#runs[slot] = run;
    this.#heap.push(atMs > this.nowMs ? atMs : this.nowMs, this.#scheduled++, slot);
    this.pending++;
    return this.#slots.idOf(slot);
  }

  cancel(id: number): void {
    const slot = this.#slots.slotOf(id);
    if (slot < 0 || this.#runs[slot] === undefined) return;
    this.#runs[slot] = undefined;
    this.pending--;
    const cancelled = this.#heap.size - this.pending;
    if (cancelled > MIN_SWEPT && cancelled > this.pending) this.#sweep();
  }

  runNext(limitMs: number): boolean {
    const heap = this.#heap;
    while (heap.size > 0) {
      const slot = heap.firstValue;
      const run = this.#runs[slot];
      if (run !== undefined && heap.firstKey > limitMs) return false;
      if (run !== undefined) this.nowMs = heap.firstKey;
      heap.removeFirst();
      this.#runs[slot] = undefined;
      this.#slots.release(slot);
      if (run === undefined) continue;
      this.pending--;
      run();
      return true;
    }
    return false;
  }

  #sweep(): void {
    this.#heap.retain((slot) => {
      if (this.#runs[slot] !== undefined) return true;
      this.#slots.release(slot);
      return false;
    });
  }
}
