import { EntryHeap } from './entry-heap.ts';
import type { EventQueue } from './event-queue.ts';
import type { FlowTable } from './flow-table.ts';

/**
 * When flows end. Most ends move before they come, with the next computation of rates: so those beyond a horizon are not
 * kept at all, the others in a heap, and only the first of them is an event of the queue.
 */
export class FlowEnds {
  readonly #queue: EventQueue;
  readonly #flows: FlowTable;
  readonly #end: (slot: number) => void;
  // By (end, order of start). An entry whose flow is gone, or ends at another time by now, is passed over.
  readonly #heap: EntryHeap = new EntryHeap();
  #horizonMs = Number.NEGATIVE_INFINITY;
  #event: number | undefined;
  #eventMs = 0;
  readonly #run = (): void => this.#endDue();

  /** `end` takes the flow out of the table. */
  constructor(queue: EventQueue, flows: FlowTable, end: (slot: number) => void) {
    this.#queue = queue;
    this.#flows = flows;
    this.#end = end;
  }

  /** Starts anew with the ends until `horizonMs`, or the first when that is later. */
  gather(horizonMs: number): void {
    const flows = this.#flows;
    let firstMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < flows.count; i++) {
      const endMs = flows.endsAtMs[flows.active[i]!]!;
      if (endMs < firstMs) firstMs = endMs;
    }
    this.#horizonMs = firstMs < Number.POSITIVE_INFINITY ? Math.max(firstMs, horizonMs) : horizonMs;
    this.#heap.clear();
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      const endMs = flows.endsAtMs[slot]!;
      if (endMs <= this.#horizonMs) this.#heap.append(endMs, flows.order[slot]!, slot);
    }
    this.#heap.order();
    this.#arrange();
  }

  /** The flow's end moved. */
  move(slot: number): void {
    const endMs = this.#flows.endsAtMs[slot]!;
    if (endMs <= this.#horizonMs) this.#heap.push(endMs, this.#flows.order[slot]!, slot);
    this.#arrange();
  }

  /** A flow is gone before its end. */
  forget(): void {
    this.#arrange();
  }

  isDue(slot: number): boolean {
    return this.#flows.endsAtMs[slot]! <= this.#queue.nowMs;
  }

  #arrange(): void {
    const has = this.#skipStale();
    if (this.#event !== undefined) {
      if (has && this.#eventMs === this.#heap.firstKey) return;
      this.#queue.cancel(this.#event);
      this.#event = undefined;
    }
    if (!has) return;
    this.#eventMs = this.#heap.firstKey;
    this.#event = this.#queue.at(this.#eventMs, this.#run);
  }

  /** Whether there is an end that still holds; it is the first then. */
  #skipStale(): boolean {
    const heap = this.#heap;
    const flows = this.#flows;
    while (heap.size > 0) {
      const slot = heap.firstValue;
      const isSameFlow = flows.done[slot] !== undefined && flows.order[slot] === heap.firstTie;
      if (isSameFlow && flows.endsAtMs[slot] === heap.firstKey) return true;
      heap.removeFirst();
    }
    return false;
  }

  /** All that are due together, so that what follows from them is computed once. */
  #endDue(): void {
    this.#event = undefined;
    try {
      while (this.#skipStale() && this.#heap.firstKey <= this.#queue.nowMs) {
        const slot = this.#heap.firstValue;
        const done = this.#flows.done[slot]!;
        this.#heap.removeFirst();
        this.#end(slot);
        done();
      }
    } finally {
      // Also when `done` threw: the other flows end all the same.
      this.#arrange();
    }
  }
}
