import type { Clock } from '@quarry/runtime';
import { unlimitedAllowance } from '../budget/budget-events.ts';
import type { OriginAllowance } from '../budget/budget-events.ts';
import type { OriginBudgetKeeper } from './origin-budget.ts';

/** A read of the origin that the fetcher does not do: an image is passed through as it is. */
export interface OriginRead {
  /** Resolves when so many bytes more may be read. Rejects with the signal's reason. */
  take(bytes: number, waiting?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** The read is over. More than once is once. */
  release(): void;
}

/**
 * Shares what this node may read from the origin between its fetches and reads from outside of them. Who passes an image through has somebody
 * waiting at the other end and goes first; but of two reads or more one is left for fetches that want it, and a single one changes hands.
 */
export interface OriginReads {
  /** Resolves when one read more may be under way. Rejects with the signal's reason. */
  open(waiting: { readonly signal: AbortSignal }): Promise<OriginRead>;
  /** What the fetches would read, and are reading. */
  fetcherDemand(wantsReads: number, heldReads: number): void;
  /** What this node may do now. */
  allow(allowance: OriginAllowance): void;
}

/** A fetch whose turn it is, and which does not read, loses it. */
const TURN_MS = 1000;

interface Waiter {
  readonly admit: () => void;
}

export function createOriginReads(deps: {
  readonly clock: Clock;
  readonly keeper: () => OriginBudgetKeeper;
  readonly tellFetcher: (allowance: OriginAllowance) => void;
  /** Aborts when the swarm closes: nothing more may be read then. */
  readonly closing: AbortSignal;
}): OriginReads {
  const waiters: Waiter[] = [];
  /** In order of their beginnings: when less may be under way, the last are the first to stand still. */
  const open = new Set<OriginRead>();
  const standing = new Set<() => void>();
  let allowance: OriginAllowance = unlimitedAllowance;
  let fetcher = { wantsReads: 0, heldReads: 0 };
  let isFetchersTurn = false;
  let told = { wantsReads: 0, heldReads: 0 };
  let toldFetcher: OriginAllowance = unlimitedAllowance;
  let cancelTurn = (): void => {};

  const reads = (): number => (allowance.bytesPerSecond > 0 ? allowance.reads : 0);
  /** How many of the reads may be those from outside. */
  const most = (): number => {
    if (fetcher.wantsReads === 0) return reads();
    return reads() >= 2 ? reads() - 1 : isFetchersTurn ? 0 : reads();
  };
  const settle = (isNews = false): void => {
    while (open.size < most() && open.size + fetcher.heldReads < reads()) {
      const next = waiters.shift();
      if (!next) break;
      next.admit();
    }
    for (const look of standing) look();
    const kept = Math.min(waiters.length, Math.max(0, most() - open.size));
    tell(kept, isNews);
  };
  const tell = (kept: number, isNews: boolean): void => {
    const outside = open.size + waiters.length;
    const demand = { wantsReads: fetcher.wantsReads + outside, heldReads: fetcher.heldReads + open.size };
    const { bytesPerSecond } = allowance;
    const next = {
      bytesPerSecond,
      reads: Math.max(0, reads() - open.size - kept),
      keepReads: Math.max(0, allowance.keepReads - open.size),
    };
    const hasChanged =
      isNews ||
      next.bytesPerSecond !== toldFetcher.bytesPerSecond ||
      next.reads !== toldFetcher.reads ||
      next.keepReads !== toldFetcher.keepReads;
    if (hasChanged) {
      toldFetcher = next;
      deps.tellFetcher(next);
    }
    if (demand.wantsReads === told.wantsReads && demand.heldReads === told.heldReads) return;
    told = demand;
    deps.keeper().demand(demand.wantsReads, demand.heldReads);
  };
  const changeHands = (): void => {
    cancelTurn();
    isFetchersTurn = fetcher.wantsReads > 0;
    if (!isFetchersTurn) return;
    cancelTurn = deps.clock.after(TURN_MS, () => {
      isFetchersTurn = false;
      settle();
    });
  };
  /** Resolves when the read is among those that may go on. */
  const mayGoOn = (read: OriginRead, signal: AbortSignal): Promise<void> | undefined => {
    const isAmong = (): boolean => [...open].indexOf(read) < allowance.keepReads;
    if (isAmong()) return undefined;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        standing.delete(look);
        signal.removeEventListener('abort', onAbort);
      };
      const look = (): void => {
        if (!isAmong()) return;
        end();
        resolve();
      };
      const onAbort = (): void => {
        end();
        reject(signal.reason);
      };
      standing.add(look);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  };
  const begin = (): OriginRead => {
    const read: OriginRead = {
      async take(bytes, waiting) {
        const { closing } = deps;
        const ending = waiting?.signal ? AbortSignal.any([waiting.signal, closing]) : closing;
        ending.throwIfAborted();
        await mayGoOn(read, ending);
        await deps.keeper().take(bytes, { signal: ending });
      },
      release() {
        if (!open.delete(read)) return;
        changeHands();
        settle();
      },
    };
    open.add(read);
    return read;
  };

  return {
    open({ signal }) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const waiter: Waiter = {
          admit: () => {
            signal.removeEventListener('abort', onAbort);
            resolve(begin());
          },
        };
        const onAbort = (): void => {
          waiters.splice(waiters.indexOf(waiter), 1);
          settle();
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        waiters.push(waiter);
        settle();
      });
    },
    fetcherDemand(wantsReads, heldReads) {
      fetcher = { wantsReads, heldReads };
      if (heldReads > 0 || wantsReads === 0) {
        cancelTurn();
        isFetchersTurn = false;
      }
      settle();
    },
    allow(next) {
      allowance = next;
      settle(true);
    },
  };
}
