import { maskedBytes } from '@quarry/content';
import type { FetchAction } from '@quarry/swarm/scheduler';
import type { SimNode } from './sim-node.ts';
import type { Transfer } from './transfers.ts';
import { whyAgain } from './why-again.ts';

type ReadAction = Extract<FetchAction, { readonly kind: 'readLastResort' }>;

export interface OriginRead {
  readonly passedBytes: () => number;
  cancel(): void;
}

interface ReadHandlers {
  /** A piece has come whole, and goes on to be hashed. */
  readonly arrived: (piece: ReadAction['pieces'][number]) => void;
  readonly failed: () => void;
  /** Every second in which it waits for the budget: that is not to stall. */
  readonly waits: () => void;
  /** All pieces have come. */
  readonly over: () => void;
}

/** A node reads a run from Glance itself: a request that costs Glance the same whatever its length, then a stream of pieces, at the links' speed, each when the budget allows it. */
export function startOriginRead(node: SimNode, action: ReadAction, handlers: ReadHandlers): OriginRead {
  const { world } = node;
  const { queue, wire, topology, storm, store, packs } = world;
  const pack = packs.indexOf(action.pack);
  const descriptor = packs.descriptors[pack];
  let isOver = false;
  let isReading = false;
  let passed = 0;
  let transfer: Transfer | undefined;

  let giveUp = (): void => {};

  store.readWanted(1);
  const end = (): void => {
    isOver = true;
    giveUp();
    store.readWanted(-1);
    if (isReading) store.endRead();
    isReading = false;
  };
  const fail = (): void => {
    if (isOver) return;
    end();
    wire.send(topology.store, node.endpoint, handlers.failed);
  };
  /** Glance is not asked for a byte before the budget allows it. */
  const take = (at: number, taken: (bytes: number) => void): void => {
    const one = action.pieces[at];
    if (isOver || !descriptor) return;
    if (!one) {
      end();
      return handlers.over();
    }
    const bytes = maskedBytes(descriptor, one.piece, one.mask);
    giveUp = node.budget.take(bytes, () => taken(bytes), handlers.waits);
  };
  const stream = (at: number, bytes: number, failsAfter: number): void => {
    const one = action.pieces[at];
    if (isOver || !one) return;
    if (at >= failsAfter) return fail();
    const { piece, mask } = one;
    store.given(action.pack, piece, mask, () => whyAgain(world, node, { pack, piece, mask }));
    transfer = world.transfers.start(
      topology.store,
      node.endpoint,
      bytes,
      () => {
        transfer = undefined;
        passed += bytes;
        handlers.arrived(one);
        take(at + 1, (nextBytes) => stream(at + 1, nextBytes, failsAfter));
      },
      { piece: { pack, piece } },
    );
  };
  take(0, (bytes) => {
    wire.send(node.endpoint, topology.store, () => {
      if (isOver) return;
      isReading = true;
      const how = store.beginRead();
      queue.at(queue.nowMs + storm.origin.readDelayMs, () => {
        if (how === 'errors') fail();
        else if (how !== 'hangs')
          stream(0, bytes, how === 'truncates' ? Math.ceil(action.pieces.length / 2) : Infinity);
      });
    });
  });
  return {
    passedBytes: () => passed + (transfer?.passedBytes() ?? 0),
    cancel() {
      if (isOver) return;
      end();
      world.counts.wastedBytes += transfer?.cancel() ?? 0;
    },
  };
}
