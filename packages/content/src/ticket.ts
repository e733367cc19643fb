import { ByteReader, checkEncodedBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { ContentError } from './content-error.ts';
import { idBytes, manifestIdFrom } from './ids.ts';
import type { ManifestId } from './ids.ts';
import type { Signer } from './image-record.ts';
import { limits } from './limits.ts';
import { checkKeyBytes, isSignedBy, PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from './signed-by.ts';

/** "`bearer` may have this manifest until then", said by a node that has made sure of it. No secret: it is good for its bearer alone. */
export interface Ticket {
  readonly manifest: ManifestId;
  /** The peer id of the node it was made for, as text. */
  readonly bearer: string;
  /** Unix milliseconds by the signer's calendar. */
  readonly expiresAtMs: number;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly signer: Uint8Array;
  /** Ed25519 over a context string and all fields before it (FORMAT.md). 64 bytes. */
  readonly signature: Uint8Array;
}

export type TicketFields = Omit<Ticket, 'signer' | 'signature'>;

const MAGIC = 'QTK1';
/** Stands before the signed bytes, so that no signature made for something else is ever one of a ticket. */
const CONTEXT = Buffer.from('quarry ticket v1\0', 'latin1');
const MAX_BEARER_BYTES = 128;

export function encodeTicket(ticket: Ticket): Uint8Array {
  checkKeyBytes(ticket.signer, ticket.signature);
  const writer = new ByteWriter();
  writer.raw(statementOf(ticket));
  writer.raw(ticket.signature);
  return writer.finish();
}

/**
 * Copies what it needs. Does not look at the signature: `verifyTicket` does.
 * @throws ContentError CONTENT_TOO_LARGE, CONTENT_MALFORMED
 */
export function decodeTicket(bytes: Uint8Array): Ticket {
  checkEncodedBytes('ticket', bytes, limits.maxTicketBytes);
  const reader = new ByteReader(bytes, 'ticket');
  reader.magic(MAGIC);
  const manifest = manifestIdFrom(reader.view(limits.digestBytes));
  const bearer = reader.text();
  const bearerBytes = Buffer.byteLength(bearer);
  if (bearerBytes < 1 || bearerBytes > MAX_BEARER_BYTES) throw reader.malformed(`has a bearer of ${bearerBytes} bytes`);
  const ticket = {
    manifest,
    bearer,
    expiresAtMs: reader.varint(),
    signer: reader.copy(PUBLIC_KEY_BYTES),
    signature: reader.copy(SIGNATURE_BYTES),
  };
  reader.end();
  return ticket;
}

export async function signTicket(fields: TicketFields, by: Signer): Promise<Ticket> {
  const signer = new Uint8Array(by.publicKey);
  const signature = await by.sign(signedBytes({ ...fields, signer }));
  checkKeyBytes(signer, signature);
  return { ...fields, signer, signature };
}

/**
 * Says that the ticket's signer made it. Whether this signer may, for whom it is and whether it is still good is the caller's matter.
 * @throws ContentError CONTENT_BAD_SIGNATURE
 */
export function verifyTicket(ticket: Ticket): void {
  if (isSignedBy(ticket.signer, signedBytes(ticket), ticket.signature)) return;
  const signer = Buffer.from(ticket.signer).toString('hex');
  throw new ContentError('CONTENT_BAD_SIGNATURE', `the ticket is not signed by ${signer}`, {
    details: { manifest: ticket.manifest, signer },
  });
}

function signedBytes(ticket: Omit<Ticket, 'signature'>): Uint8Array {
  return Buffer.concat([CONTEXT, statementOf(ticket)]);
}

/** A ticket's bytes up to its signature. */
function statementOf(ticket: Omit<Ticket, 'signature'>): Uint8Array {
  const writer = new ByteWriter();
  writer.magic(MAGIC);
  writer.raw(idBytes(ticket.manifest));
  writer.text(ticket.bearer);
  writer.varint(ticket.expiresAtMs);
  writer.raw(ticket.signer);
  return writer.finish();
}
