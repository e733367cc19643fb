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

/** The tickets that this node was given, in memory; the latest of each manifest. */
export interface TicketBox {
  keep(ticket: Ticket, issuer: PeerId): void;
  /** One that is still good. */
  find(manifest: ManifestId): KeptTicket | undefined;
  /** Whether there was one, also when it is not good any more: then the manifest is not for everybody. */
  knows(manifest: ManifestId): boolean;
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
      return ticket && ticket.expiresAtMs > clock.wallMs() ? ticket : undefined;
    },
    knows: (manifest) => kept.has(manifest),
  };
}
