import { errorCode } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import type { Database } from './database.ts';
import { lastUseKey } from './keys.ts';
import type { KnownPack } from './known-packs.ts';

/** Writes down when packs were last used, late and together: it decides only what is evicted first. */
export interface Recency {
  noteUse(): void;
  /** Writes what has not been written yet. */
  flush(): Promise<void>;
  close(): void;
}

export function createRecency(
  deps: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly database: Database;
    readonly takeTouched: () => readonly KnownPack[];
  },
  options: { readonly recencyDelayMs: number },
): Recency {
  let cancel: (() => void) | undefined;
  const flush = async (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    const writes = deps.takeTouched().map(({ id, usedAt }) => {
      const value = Buffer.alloc(8);
      value.writeDoubleBE(usedAt);
      return { key: lastUseKey(id), value };
    });
    if (writes.length > 0) await deps.database.write(writes, { isDurable: false });
  };
  const flushInBackground = (): void => {
    flush().catch((error: unknown) => {
      deps.logger.warn('could not write down which packs were used', { error: errorCode(error) });
    });
  };
  return {
    noteUse() {
      cancel ??= deps.clock.after(options.recencyDelayMs, flushInBackground);
    },
    flush,
    close: () => cancel?.(),
  };
}
