/**
 * Callers of the same key at the same moment share one piece of work (groupcache's singleflight).
 * The work is cancelled only when every caller has left; once it has ended its signal is left alone, for what it returned may still listen.
 */
export interface SingleFlight<T> {
  run(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<T>;
  readonly size: number;
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  passengers: number;
  hasLanded: boolean;
}

export function createSingleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>();
  const start = (key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> => {
    const controller = new AbortController();
    const result = work(controller.signal).finally(() => {
      flight.hasLanded = true;
      if (flights.get(key)?.controller === controller) flights.delete(key);
    });
    result.catch(() => {}); // the last passenger may have left before the work failed
    const flight: Flight<T> = { result, controller, passengers: 0, hasLanded: false };
    flights.set(key, flight);
    return flight;
  };
  return {
    async run(key, work, { signal } = {}) {
      signal?.throwIfAborted();
      const running = flights.get(key);
      const flight = running && !running.controller.signal.aborted ? running : start(key, work);
      flight.passengers += 1;
      let leave: (() => void) | undefined;
      try {
        if (!signal) return await flight.result;
        const left = new Promise<never>((_, reject) => {
          leave = () => reject(signal.reason);
          signal.addEventListener('abort', leave, { once: true });
        });
        return await Promise.race([flight.result, left]);
      } finally {
        if (leave) signal?.removeEventListener('abort', leave);
        flight.passengers -= 1;
        if (flight.passengers === 0 && !flight.hasLanded) flight.controller.abort(signal?.reason);
      }
    },
    get size() {
      return flights.size;
    },
  };
}
