/** Who wants to hear of something. Told in the order of asking, from memory, at once. */
export interface Listeners<Event extends readonly unknown[]> {
  add(listener: (...event: Event) => void): () => void;
  tell(...event: Event): void;
}

export function createListeners<Event extends readonly unknown[]>(): Listeners<Event> {
  const listeners = new Set<{ readonly tell: (...event: Event) => void }>();
  return {
    add(tell) {
      const listener = { tell }; // the same function may listen twice
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(...event) {
      for (const listener of listeners) listener.tell(...event);
    },
  };
}
