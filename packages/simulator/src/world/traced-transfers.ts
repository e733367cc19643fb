import type { Storm } from '@quarry/scenario';
import { tracePlaces } from '../trace.ts';
import type { TraceFacts, TraceSink } from '../trace.ts';
import type { Transfers } from './transfers.ts';

/** Shows each transfer as a span at its receiver and, where it comes from a seeder or the store, at that end too. */
export function tracedTransfers(
  transfers: Transfers,
  deps: { readonly trace: TraceSink; readonly storm: Storm; readonly now: () => number },
): Transfers {
  const { trace, storm, now } = deps;
  const { names, store } = tracePlaces(storm);
  const sourceOf = (from: number): string => {
    if (from === store) return 'origin';
    return from < storm.hosts.length ? 'peer' : 'seeder';
  };
  return {
    start(from, to, bytes, done, options = {}) {
      const { piece } = options;
      const name = piece === undefined ? 'bytes' : `pack ${piece.pack} piece ${piece.piece}`;
      const source = sourceOf(from);
      const spans = [trace.begin(now(), to, 'receive', name, { from: names[from] ?? from, source, bytes })];
      if (source !== 'peer') {
        const kind = source === 'origin' ? 'originRead' : 'send';
        spans.push(trace.begin(now(), from, kind, name, { to: names[to] ?? to, bytes }));
      }
      const end = (facts?: TraceFacts): void => {
        for (const span of spans) trace.end(now(), span, facts);
      };
      const transfer = transfers.start(
        from,
        to,
        bytes,
        () => {
          end();
          done();
        },
        { ...options, broken: options.broken && (() => (end({ isBroken: true }), options.broken?.())) },
      );
      return {
        ...transfer,
        cancel() {
          const passedBytes = transfer.cancel();
          end({ isCancelled: true, passedBytes: Math.round(passedBytes) });
          return passedBytes;
        },
      };
    },
  };
}
