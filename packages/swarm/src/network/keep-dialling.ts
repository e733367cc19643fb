import { isCodedError } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';

export interface KeepDiallingDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Resolves to who answered; undefined when it was this node itself. */
  readonly dial: (address: string, signal: AbortSignal) => Promise<PeerId | undefined>;
  /** Resolves when the peer is not connected (any more). */
  readonly disconnected: (peer: PeerId, signal: AbortSignal) => Promise<void>;
}

export interface KeepDiallingOptions {
  readonly redialFirstMs: number;
  readonly redialMaxMs: number;
  readonly signal: AbortSignal;
}

/**
 * Keeps one bootstrap address connected until the signal aborts: dials, waits until the connection is lost, dials again. Pauses double up
 * to `redialMaxMs` and are uniform in their upper half, so that a cluster that lost its bootstrap node does not come back all at once.
 * (@libp2p/bootstrap dials its list once, and libp2p's reconnect queue gives up after five attempts.)
 */
export async function keepDialling(
  deps: KeepDiallingDeps,
  address: string,
  options: KeepDiallingOptions,
): Promise<void> {
  const { redialFirstMs, redialMaxMs, signal } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const peer = await deps.dial(address, signal);
      if (peer === undefined) return; // a bootstrap list is the same file on every host, so it names this one too
      deps.logger.info('connected to a bootstrap address', { address, peer });
      failures = 0;
      await deps.disconnected(peer, signal);
      deps.logger.info('lost a bootstrap address', { address, peer });
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      // Each failure looks the same until the cause changes: the first is for the operator, the others for whoever looks closer.
      const fields = { address, error: isCodedError(error) ? error.toJSON() : String(error) };
      if (failures === 1) deps.logger.warn('cannot connect to a bootstrap address', fields);
      else deps.logger.debug('cannot connect to a bootstrap address', fields);
    }
    const pauseMs = Math.min(redialMaxMs, redialFirstMs * 2 ** Math.max(0, failures - 1));
    try {
      await deps.clock.sleep(pauseMs * (0.5 + deps.random.next() / 2), { signal });
    } catch {
      return; // the signal
    }
  }
}
