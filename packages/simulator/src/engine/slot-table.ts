import { grown } from './entry-heap.ts';

// An id is generation × SLOTS + slot: 2^22 things at once, and each slot can be used 2^31 times within an exact number.
const SLOTS = 4_194_304;

/** Numbers small enough to index arrays with, handed out again once released, and ids that outlive them harmlessly. */
export class SlotTable {
  /** Every slot in use is below it: what the arrays beside this table must hold. */
  capacity: number = 1_024;
  #generations: Int32Array = new Int32Array(this.capacity);
  #free: Int32Array = new Int32Array(this.capacity);
  #freed = 0;
  #used = 0;

  acquire(): number {
    if (this.#freed > 0) return this.#free[--this.#freed]!;
    if (this.#used === SLOTS) throw new RangeError(`more than ${SLOTS} events or flows at once`);
    if (this.#used === this.capacity) {
      this.capacity *= 2;
      this.#generations = grown(this.#generations, new Int32Array(this.capacity));
      this.#free = grown(this.#free, new Int32Array(this.capacity));
    }
    return this.#used++;
  }

  /** The ids of the slot are unknown from here on. */
  release(slot: number): void {
    this.#generations[slot]!++;
    this.#free[this.#freed++] = slot;
  }

  idOf(slot: number): number {
    return this.#generations[slot]! * SLOTS + slot;
  }

  /** -1 when the id was released, or never given. */
  slotOf(id: number): number {
    if (!(id >= 0)) return -1;
    const slot = id % SLOTS;
    return slot < this.#used && this.#generations[slot] === (id - slot) / SLOTS ? slot : -1;
  }
}
