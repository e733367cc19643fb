import type { PackId, PackStore } from '@quarry/content';
import type { Clock, Logger } from '@quarry/runtime';
import type { Network, PeerId } from '../ports/network.ts';
import { decodeNeedsAnswer, encodeGetNeeds } from '../protocol/get-needs.ts';
import { masksFrom } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { AskEntry } from '../scheduler/fetch-events.ts';
import { createLeaveWatch } from '../scheduler/leave-watch.ts';
import type { LeaveOptions, LeaveVerdict } from '../scheduler/leave-watch.ts';
import { masksOf, shapeFor } from '../scheduler/piece-masks.ts';
import { SwarmError } from '../swarm-error.ts';

/** Why a seeder is still here. */
export interface LeaveStatus extends Omit<LeaveVerdict, 'isAskingAnew'> {
  /** Since it wants to leave. */
  readonly waitedMs: number;
}

export interface DrainOptions {
  readonly signal?: AbortSignal | undefined;
  /** Then it resolves all the same, with `mayLeave` false. Without it: never. */
  readonly timeoutMs?: number | undefined;
  /** Called after each round. Must not throw. */
  readonly onProgress?: ((status: LeaveStatus) => void) | undefined;
}

/** A seeder's wish to leave. It gives and answers as before meanwhile. */
export interface Drain {
  run(options: DrainOptions): Promise<LeaveStatus>;
  /** Undefined while it does not want to leave. */
  status(): LeaveStatus | undefined;
}

export function createDrain(
  deps: {
    readonly network: Network;
    readonly store: PackStore;
    readonly clock: Clock;
    readonly logger: Logger;
    /** Connected nodes. */
    readonly nodes: () => readonly PeerId[];
    readonly distrusted: () => readonly PeerId[];
    readonly ban: (peer: PeerId, reason: string) => void;
  },
  options: LeaveOptions,
): Drain {
  const { network, store, clock, logger } = deps;
  let status: LeaveStatus | undefined;

  const entriesFrom = (bytes: Uint8Array): AskEntry[] =>
    decodeNeedsAnswer(bytes).flatMap(({ pack, need, have }) => {
      const ours = store.present(pack);
      if (!ours) return [];
      const shape = shapeFor(ours.chunkCount);
      return [{ pack, need: masksFrom(need, shape), have: masksFrom(have, shape) }];
    });
  /** Undefined when it did not answer. */
  const ask = async (
    node: PeerId,
    packs: readonly PackId[],
    signal: AbortSignal,
  ): Promise<readonly AskEntry[] | undefined> => {
    try {
      const { maxNeedsBytes: maxBytes, maxNeedsPacks } = protocolLimits;
      const request = encodeGetNeeds(packs.slice(0, maxNeedsPacks));
      return entriesFrom(await network.request(node, protocols.needs, request, { signal, maxBytes }));
    } catch (error) {
      if (!(error instanceof SwarmError)) return undefined;
      if (error.code === 'SWARM_BAD_MESSAGE') deps.ban(node, error.message);
      // It does not know the question: it cannot be waited for.
      return error.code === 'SWARM_REFUSED' ? [] : undefined;
    }
  };

  return {
    async run({ signal, timeoutMs = Infinity, onProgress }) {
      const startedMs = clock.now();
      const watch = createLeaveWatch(
        {
          ours: (pack) => {
            const present = store.present(pack);
            return present && masksOf(present);
          },
          isDistrusted: (node) => deps.distrusted().includes(node),
        },
        options,
      );
      const ending = new AbortController();
      const stopped = signal ? AbortSignal.any([ending.signal, signal]) : ending.signal;
      const asking = new Map<PeerId, Promise<void>>();
      const askOnce = (node: PeerId, packs: readonly PackId[]): void => {
        if (asking.has(node)) return; // a busy node answers late; asked twice it would answer later
        const answered = ask(node, packs, stopped).then((entries) => {
          asking.delete(node);
          if (entries) watch.heard(node, entries);
        });
        asking.set(node, answered);
      };
      try {
        for (;;) {
          signal?.throwIfAborted();
          const nodes = deps.nodes();
          const packs = watch.ask(nodes, clock.now());
          for (const node of nodes) askOnce(node, packs);
          const leftMs = startedMs + timeoutMs - clock.now();
          const answers = Promise.all(asking.values());
          await within(clock, Math.min(options.roundMs, leftMs), answers);
          signal?.throwIfAborted();
          const { isAskingAnew, ...verdict } = watch.verdict(clock.now());
          status = { ...verdict, waitedMs: clock.now() - startedMs };
          onProgress?.(status);
          logger.debug('asked whether this seeder may leave', { ...status });
          if (status.mayLeave || status.waitedMs >= timeoutMs) return status;
          if (isAskingAnew) continue;
          await clock.sleep(Math.min(options.roundMs, timeoutMs - status.waitedMs), { signal });
        }
      } finally {
        status = undefined;
        ending.abort(new Error('asked enough'));
      }
    },
    status: () => status,
  };
}

/** Resolves when the work is done, or time is over. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(Math.max(0, ms), resolve);
  });
  await Promise.race([work, late]);
  cancel();
}
