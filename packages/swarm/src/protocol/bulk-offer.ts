import { ByteWriter } from '@quarry/content';
import { parseMessage, readList, readText } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** Where a bulk connection is accepted. */
export interface BulkPlace {
  /** A name or a numeric address; empty: the host at which the asker is connected to the answerer. */
  readonly host: string;
  readonly port: number;
}

/** What whoever may open bulk connections is told, over the connection that has proven who they are. */
export interface BulkOffer {
  /** `plain` only if the asker wanted it. */
  readonly mode: 'tls' | 'plain';
  /** Names the secret in the open. 16 bytes. */
  readonly id: Uint8Array;
  /** For TLS the pre-shared key of all connections from now on, for plain TCP the ticket of one. 32 bytes. */
  readonly secret: Uint8Array;
  /** Tried in this order. */
  readonly places: readonly BulkPlace[];
}

export const BULK_ID_BYTES = 16;
export const BULK_SECRET_BYTES = 32;
const WANTS_PLAIN = 1;
const modes = [undefined, 'tls', 'plain'] as const;

export function encodeBulkAsk({ wantsPlain }: { readonly wantsPlain: boolean }): Uint8Array {
  return Uint8Array.of(wantsPlain ? WANTS_PLAIN : 0);
}

export function decodeBulkAsk(bytes: Uint8Array): { readonly wantsPlain: boolean } {
  return parseMessage('ask for a bulk connection', bytes, 1, (reader) => {
    const flags = reader.u8();
    if ((flags & ~WANTS_PLAIN) !== 0) throw reader.malformed(`has unknown flags ${flags}`);
    return { wantsPlain: flags === WANTS_PLAIN };
  });
}

/** Undefined: this node has no bulk port to offer. */
export function encodeBulkOffer(offer: BulkOffer | undefined): Uint8Array {
  if (!offer) return Uint8Array.of(0);
  const writer = new ByteWriter(64);
  writer.u8(offer.mode === 'tls' ? 1 : 2);
  writer.raw(offer.id);
  writer.raw(offer.secret);
  writer.varint(offer.places.length);
  for (const { host, port } of offer.places) {
    writer.text(host);
    writer.u16(port);
  }
  return writer.finish();
}

export function decodeBulkOffer(bytes: Uint8Array): BulkOffer | undefined {
  const { maxBulkOfferBytes, maxBulkPlaces, maxAddressBytes } = protocolLimits;
  return parseMessage('offer of a bulk connection', bytes, maxBulkOfferBytes, (reader) => {
    const kind = reader.u8();
    if (kind === 0) return undefined;
    const mode = modes[kind];
    if (!mode) throw reader.malformed(`has the unknown kind ${kind}`);
    const id = reader.view(BULK_ID_BYTES);
    const secret = reader.view(BULK_SECRET_BYTES);
    const places = readList(reader, 'places', { max: maxBulkPlaces, itemBytes: 3 }, () => {
      const host = readText(reader, 'host', maxAddressBytes);
      const port = reader.u16();
      if (port === 0) throw reader.malformed('names port 0');
      return { host, port };
    });
    return { mode, id, secret, places };
  });
}
