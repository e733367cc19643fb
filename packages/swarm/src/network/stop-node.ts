import type { Clock, Logger } from '@quarry/runtime';
import type { Node } from './create-libp2p-node.ts';

const AFTER_CUT_MS = 300;

/** libp2p says goodbye to every peer, and a peer that does not listen can hold that up. So after `graceMs` the connections are cut. */
export async function stopNode(node: Node, clock: Clock, graceMs: number, logger: Logger): Promise<void> {
  const stopped = Promise.resolve(node.stop()).then(
    () => true,
    (error: unknown) => {
      logger.warn('libp2p did not stop cleanly', { error: String(error) });
      return true;
    },
  );
  if (await within(clock, graceMs, stopped)) return;
  for (const connection of node.getConnections()) connection.abort(new Error('closing'));
  if (await within(clock, AFTER_CUT_MS, stopped)) return;
  logger.warn('libp2p has not stopped in time: going on without it');
}

async function within(clock: Clock, ms: number, done: Promise<boolean>): Promise<boolean> {
  let cancel = (): void => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(false));
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    cancel();
  }
}
