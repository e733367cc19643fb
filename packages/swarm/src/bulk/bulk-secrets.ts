import { timingSafeEqual } from 'node:crypto';
import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { BULK_ID_BYTES, BULK_SECRET_BYTES } from '../protocol/bulk-offer.ts';

export interface BulkSecret {
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
}

/**
 * What lets a peer open bulk connections to this node: one pre-shared key for TLS, and tickets for plain TCP that are good for one connection
 * each. Told over the connection that has proven who the peer is, kept in memory, and gone with that connection.
 */
export interface BulkSecrets {
  /** Gives secrets to this peer until `forget`. */
  admit(peer: PeerId): void;
  /** Undefined for a peer that is not admitted. The same key for all its connections: forward secrecy is the handshake's. */
  keyFor(peer: PeerId): BulkSecret | undefined;
  /** A new one; of too many that were not used the oldest goes. */
  ticketFor(peer: PeerId): BulkSecret | undefined;
  /** Whose key has this name, as hexadecimal. */
  findKey(id: string): { readonly peer: PeerId; readonly secret: Uint8Array } | undefined;
  /** Whose ticket this is; it is void from then on, also when the secret is wrong. */
  redeem(id: Uint8Array, secret: Uint8Array): PeerId | undefined;
  forget(peer: PeerId): void;
}

interface Holder {
  key: BulkSecret | undefined;
  /** By name, oldest first. */
  readonly tickets: Map<string, Uint8Array>;
}

/** `random` must be the system's for anything but tests. */
export function createBulkSecrets(random: Random, options: { readonly maxTicketsPerPeer: number }): BulkSecrets {
  const holders = new Map<PeerId, Holder>();
  const keyOwners = new Map<string, PeerId>();
  const ticketOwners = new Map<string, PeerId>();
  const newSecret = (): BulkSecret => ({ id: random.bytes(BULK_ID_BYTES), secret: random.bytes(BULK_SECRET_BYTES) });
  return {
    admit(peer) {
      if (!holders.has(peer)) holders.set(peer, { key: undefined, tickets: new Map() });
    },
    keyFor(peer) {
      const holder = holders.get(peer);
      if (!holder) return undefined;
      if (!holder.key) {
        holder.key = newSecret();
        keyOwners.set(nameOf(holder.key.id), peer);
      }
      return holder.key;
    },
    ticketFor(peer) {
      const holder = holders.get(peer);
      if (!holder) return undefined;
      const ticket = newSecret();
      holder.tickets.set(nameOf(ticket.id), ticket.secret);
      ticketOwners.set(nameOf(ticket.id), peer);
      const [oldest = ''] = holder.tickets.keys();
      if (holder.tickets.size > options.maxTicketsPerPeer) {
        holder.tickets.delete(oldest);
        ticketOwners.delete(oldest);
      }
      return ticket;
    },
    findKey(id) {
      const peer = keyOwners.get(id);
      const key = peer === undefined ? undefined : holders.get(peer)?.key;
      return peer === undefined || !key ? undefined : { peer, secret: key.secret };
    },
    redeem(id, secret) {
      const name = nameOf(id);
      const peer = ticketOwners.get(name);
      if (peer === undefined) return undefined;
      ticketOwners.delete(name);
      const tickets = holders.get(peer)?.tickets;
      const expected = tickets?.get(name);
      tickets?.delete(name);
      return expected?.byteLength === secret.byteLength && timingSafeEqual(expected, secret) ? peer : undefined;
    },
    forget(peer) {
      const holder = holders.get(peer);
      holders.delete(peer);
      if (holder?.key) keyOwners.delete(nameOf(holder.key.id));
      for (const name of holder?.tickets.keys() ?? []) ticketOwners.delete(name);
    },
  };
}

/** TLS names keys in text. */
export function nameOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}
