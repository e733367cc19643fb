const FIRST_CAPACITY = 1_024;

/**
 * A min-heap of (key, tie, value), smallest key first, equal keys by tie: the order is total where ties are unique, so it
 * does not depend on how the heap came to be. Four children a node over typed arrays: millions of entries pass through,
 * and an object for each would cost more than the sorting.
 */
export class EntryHeap {
  size: number = 0;
  #keys: Float64Array = new Float64Array(FIRST_CAPACITY);
  #ties: Float64Array = new Float64Array(FIRST_CAPACITY);
  #values: Int32Array = new Int32Array(FIRST_CAPACITY);

  /** Of the first entry; the heap must not be empty. */
  get firstKey(): number {
    return this.#keys[0]!;
  }

  get firstTie(): number {
    return this.#ties[0]!;
  }

  get firstValue(): number {
    return this.#values[0]!;
  }

  clear(): void {
    this.size = 0;
  }

  push(key: number, tie: number, value: number): void {
    this.append(key, tie, value);
    this.#rise(this.size - 1, key, tie, value);
  }

  /** Adds without keeping order: `order()` must follow before anything is read. */
  append(key: number, tie: number, value: number): void {
    if (this.size === this.#keys.length) this.#grow();
    const last = this.size++;
    this.#keys[last] = key;
    this.#ties[last] = tie;
    this.#values[last] = value;
  }

  order(): void {
    for (let at = (this.size - 2) >> 2; at >= 0; at--) {
      this.#sink(at, this.#keys[at]!, this.#ties[at]!, this.#values[at]!);
    }
  }

  removeFirst(): void {
    const last = --this.size;
    if (last > 0) this.#sink(0, this.#keys[last]!, this.#ties[last]!, this.#values[last]!);
  }

  /** The first entry's key becomes `key`, which is not smaller; cheaper than to remove and push it. */
  raiseFirst(key: number): void {
    this.#sink(0, key, this.#ties[0]!, this.#values[0]!);
  }

  /** Drops what `keeps` refuses, in one pass. */
  retain(keeps: (value: number) => boolean): void {
    let kept = 0;
    for (let at = 0; at < this.size; at++) {
      if (!keeps(this.#values[at]!)) continue;
      this.#keys[kept] = this.#keys[at]!;
      this.#ties[kept] = this.#ties[at]!;
      this.#values[kept] = this.#values[at]!;
      kept++;
    }
    this.size = kept;
    this.order();
  }

  #rise(from: number, key: number, tie: number, value: number): void {
    const keys = this.#keys;
    const ties = this.#ties;
    const values = this.#values;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const parentKey = keys[parent]!;
      if (parentKey < key || (parentKey === key && ties[parent]! < tie)) break;
      keys[at] = parentKey;
      ties[at] = ties[parent]!;
      values[at] = values[parent]!;
      at = parent;
    }
    keys[at] = key;
    ties[at] = tie;
    values[at] = value;
  }

  #sink(from: number, key: number, tie: number, value: number): void {
    const keys = this.#keys;
    const ties = this.#ties;
    const values = this.#values;
    const size = this.size;
    let at = from;
    for (;;) {
      const first = (at << 2) + 1;
      if (first >= size) break;
      const end = first + 4 < size ? first + 4 : size;
      let least = first;
      let leastKey = keys[first]!;
      for (let child = first + 1; child < end; child++) {
        const childKey = keys[child]!;
        if (childKey < leastKey || (childKey === leastKey && ties[child]! < ties[least]!)) {
          least = child;
          leastKey = childKey;
        }
      }
      if (key < leastKey || (key === leastKey && tie < ties[least]!)) break;
      keys[at] = leastKey;
      ties[at] = ties[least]!;
      values[at] = values[least]!;
      at = least;
    }
    keys[at] = key;
    ties[at] = tie;
    values[at] = value;
  }

  #grow(): void {
    this.#keys = grown(this.#keys, new Float64Array(this.size * 2));
    this.#ties = grown(this.#ties, new Float64Array(this.size * 2));
    this.#values = grown(this.#values, new Int32Array(this.size * 2));
  }
}

/** `to` with what `from` holds at its head. */
export function grown<Numbers extends Float64Array | Int32Array>(from: Numbers, to: Numbers): Numbers {
  to.set(from);
  return to;
}
