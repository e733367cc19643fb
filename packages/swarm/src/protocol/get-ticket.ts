import {
  ByteWriter,
  decodeImageRecord,
  decodeTicket,
  encodeImageRecord,
  encodeTicket,
  imageLocatorFrom,
  limits,
  locatorBytes,
} from '@quarry/content';
import type { ImageLocator, ImageRecord, Ticket } from '@quarry/content';
import { parseMessage } from './message.ts';

/** A request for the record of a private image, and for a ticket with which its manifest can be had. */
export interface GetTicket {
  readonly locator: ImageLocator;
  /** Of the asker to who is asked: 32 bytes. */
  readonly proof: Uint8Array;
}

/** Undefined: there is no such image here for this asker, and nothing says why. */
export type TicketAnswer = { readonly record: ImageRecord; readonly ticket: Ticket } | undefined;

const GIVEN = 0;
const ABSENT = 2;
export const GET_TICKET_BYTES: number = 2 * limits.digestBytes;
export const MAX_TICKET_ANSWER_BYTES: number = 1 + 2 + limits.maxImageRecordBytes + limits.maxTicketBytes;

export function encodeGetTicket(request: GetTicket): Uint8Array {
  const writer = new ByteWriter(GET_TICKET_BYTES);
  writer.raw(locatorBytes(request.locator));
  writer.raw(request.proof);
  return writer.finish();
}

export function decodeGetTicket(bytes: Uint8Array): GetTicket {
  return parseMessage('request for a ticket', bytes, GET_TICKET_BYTES, (reader) => ({
    locator: imageLocatorFrom(reader.view(limits.digestBytes)),
    proof: reader.copy(limits.digestBytes),
  }));
}

export function encodeTicketAnswer(answer: TicketAnswer): Uint8Array {
  if (!answer) return Uint8Array.of(ABSENT);
  const writer = new ByteWriter(1024);
  const record = encodeImageRecord(answer.record);
  writer.u8(GIVEN);
  writer.varint(record.length);
  writer.raw(record);
  writer.raw(encodeTicket(answer.ticket));
  return writer.finish();
}

/** Looks at no signature. */
export function decodeTicketAnswer(bytes: Uint8Array): TicketAnswer {
  return parseMessage('answer with a ticket', bytes, MAX_TICKET_ANSWER_BYTES, (reader): TicketAnswer => {
    const status = reader.u8();
    if (status === ABSENT) return undefined;
    if (status !== GIVEN) throw reader.malformed(`has the unknown status ${status}`);
    const record = decodeImageRecord(reader.view(reader.count('bytes of record', limits.maxImageRecordBytes, 1)));
    return { record, ticket: decodeTicket(reader.view(reader.remaining)) };
  });
}
