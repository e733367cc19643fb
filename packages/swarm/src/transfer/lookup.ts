import type { Clock, Random } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import type { Network, PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import type { Role } from '../scheduler/fetch-events.ts';

/** What finding records, manifests and descriptors needs: somebody to ask, and what to do with who answers nonsense. */
export interface LookupDeps {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly ready: () => ReadonlyMap<PeerId, Role>;
  readonly connect: (peer: PeerId, options: { readonly signal: AbortSignal | undefined }) => Promise<void>;
  readonly ban: (peer: PeerId, reason: string) => void;
}

export interface LookupRequest {
  readonly protocol: string;
  readonly bytes: Uint8Array;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One question to one peer. Undefined when it does not answer in time or at all; the caller's signal alone rejects. `read` throws for nonsense,
 * which bans.
 */
export async function askPeer<T>(
  deps: LookupDeps,
  peer: PeerId,
  request: LookupRequest,
  read: (bytes: Uint8Array) => T,
): Promise<T | undefined> {
  const { clock, network, logger } = deps;
  request.signal?.throwIfAborted();
  const late = new AbortController();
  const cancel = clock.after(request.timeoutMs, () => late.abort(new Error('late')));
  const signal = request.signal ? AbortSignal.any([request.signal, late.signal]) : late.signal;
  let bytes: Uint8Array;
  try {
    bytes = await network.request(peer, request.protocol, request.bytes, { signal, maxBytes: request.maxBytes });
  } catch (error) {
    request.signal?.throwIfAborted();
    if (error instanceof SwarmError && error.code === 'SWARM_TOO_LARGE') deps.ban(peer, error.message);
    logger.debug('no answer', { peer, protocol: request.protocol, error: String(error) });
    return undefined;
  } finally {
    cancel();
  }
  try {
    return read(bytes);
  } catch (error) {
    deps.ban(peer, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

export function peersOf(deps: LookupDeps, role: Role): PeerId[] {
  return [...deps.ready()].filter(([, other]) => other === role).map(([peer]) => peer);
}

/** Whether the peer is connected, or could be within the time. The caller's signal alone rejects. */
export async function isReachable(
  deps: LookupDeps,
  peer: PeerId,
  { timeoutMs, signal }: Pick<LookupRequest, 'timeoutMs' | 'signal'>,
): Promise<boolean> {
  if (deps.ready().has(peer)) return true;
  const late = new AbortController();
  const cancel = deps.clock.after(timeoutMs, () => late.abort(new Error('late')));
  try {
    await deps.connect(peer, { signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal });
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  } finally {
    cancel();
  }
}
