import type { Connection, Stream } from '@libp2p/interface';
import type { PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';

export interface StreamTarget {
  readonly peer: PeerId;
  readonly protocol: string;
  readonly signal: AbortSignal;
}

/**
 * Opens a stream on the newest of a peer's connections: an older one may be left from before it restarted.
 * What goes wrong is a SwarmError; whether the signal did it, the caller knows.
 */
export async function openStream(
  connections: readonly Connection[],
  { peer, protocol, signal }: StreamTarget,
  maxOutboundStreams: number,
): Promise<Stream> {
  const details = { peer, protocol };
  const connection = connections.findLast(({ status }) => status === 'open');
  if (!connection) throw new SwarmError('SWARM_UNREACHABLE', 'the peer is not connected', { details, canRetry: true });
  try {
    return await connection.newStream(protocol, { signal, maxOutboundStreams });
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
      throw new SwarmError('SWARM_REFUSED', `the peer does not speak ${protocol}`, { details, cause });
    }
    throw new SwarmError('SWARM_UNREACHABLE', 'the connection to the peer broke', { details, cause, canRetry: true });
  }
}
