import { encodeTicket } from '@quarry/content';
import type { ManifestId, Ticket } from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';

export interface KeptTicket {
  /** As it is shown. */
  readonly bytes: Uint8Array;
  /** Who gave it: that peer has the manifest. */
  readonly issuer: PeerId;
  readonly expiresAtMs: number;
}

/** The tickets that this node was given, in memory and until they expire; the latest of each manifest. */
export interface TicketBox {
  keep(ticket: Ticket, issuer: PeerId): void;
  find(manifest: ManifestId): KeptTicket | undefined;
  drop(manifest: ManifestId): void;
}

export function createTicketBox(clock: Clock, options: { readonly maxTickets: number }): TicketBox {
  const kept = new Map<ManifestId, KeptTicket>();
  return {
    keep(ticket, issuer) {
      kept.delete(ticket.manifest);
      for (const manifest of kept.keys()) {
        if (kept.size < options.maxTickets) break;
        kept.delete(manifest);
      }
      kept.set(ticket.manifest, { bytes: encodeTicket(ticket), issuer, expiresAtMs: ticket.expiresAtMs });
    },
    find(manifest) {
      const ticket = kept.get(manifest);
      if (!ticket || ticket.expiresAtMs > clock.wallMs()) return ticket;
      kept.delete(manifest);
      return undefined;
    },
    drop: (manifest) => void kept.delete(manifest),
  };
}
