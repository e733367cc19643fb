import { connect as connectTcp } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { FramedStream } from '../network/framed-stream.ts';
import type { BulkOffer, BulkPlace } from '../protocol/bulk-offer.ts';
import { SwarmError } from '../swarm-error.ts';
import { nameOf } from './bulk-secrets.ts';
import { ADMITTED, TICKET_MARK, tlsOptions } from './bulk-tls.ts';
import { frameSocket } from './frame-socket.ts';
import type { FrameSocketOptions } from './frame-socket.ts';

/** Opens a connection as it was offered and names the protocol on it. Rejects with SWARM_UNREACHABLE or as the signal says; nothing is left open then. */
export async function connectBulk(
  offer: BulkOffer,
  place: BulkPlace,
  protocol: string,
  options: FrameSocketOptions & { readonly signal: AbortSignal },
): Promise<FramedStream> {
  options.signal.throwIfAborted();
  const proven = Promise.withResolvers<void>();
  const stream = frameSocket((onread) => {
    const socket = offer.mode === 'tls' ? openTls(offer, place, onread) : openTcp(place, onread);
    socket.once(offer.mode === 'tls' ? 'secureConnect' : 'connect', proven.resolve);
    return socket;
  }, options);
  const forget = stream.onEnd(proven.reject);
  const onAbort = (): void => {
    stream.abort(new SwarmError('SWARM_UNREACHABLE', 'gave up connecting'));
    proven.reject(options.signal.reason);
  };
  options.signal.addEventListener('abort', onAbort, { once: true });
  const verdict = new Uint8Array(1);
  try {
    await proven.promise;
    if (offer.mode === 'plain') await stream.send(Buffer.concat([Uint8Array.of(TICKET_MARK), offer.id, offer.secret]));
    stream.expect(true);
    await stream.fill(verdict);
    if (verdict[0] !== ADMITTED) throw new SwarmError('SWARM_UNREACHABLE', 'the peer takes no more bulk connections');
    stream.expect(false);
    const name = Buffer.from(protocol, 'latin1');
    // Leaves with the first request: a connection is opened to be used at once.
    await stream.send(Buffer.concat([Uint8Array.of(name.byteLength), name]), undefined, true);
    return stream;
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)));
    throw options.signal.aborted ? options.signal.reason : error;
  } finally {
    forget();
    options.signal.removeEventListener('abort', onAbort);
  }
}

function openTls(offer: BulkOffer, { host, port }: BulkPlace, onread: OnReadOpts): Socket {
  const shared = { identity: nameOf(offer.id), psk: offer.secret };
  // Node hands `onread` on to the socket beneath; its types leave that out.
  const tlsAndTcp: ConnectionOptions & { readonly onread: OnReadOpts } = {
    ...tlsOptions,
    host,
    port,
    onread,
    pskCallback: () => shared,
    // Whoever does not hold the key can only show a certificate, and none is good: also not one that some authority has signed for this host.
    ca: [],
    checkServerIdentity: () => new SwarmError('SWARM_BAD_IDENTITY', 'who answers at the bulk port is not the peer'),
  };
  return connectTls(tlsAndTcp).setNoDelay(true).setKeepAlive(true);
}

function openTcp({ host, port }: BulkPlace, onread: OnReadOpts): Socket {
  return connectTcp({ host, port, onread, noDelay: true, keepAlive: true });
}
