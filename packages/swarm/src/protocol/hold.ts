import {
  ByteWriter,
  decodeImageRecord,
  decodeManifest,
  encodeImageRecord,
  encodeManifest,
  idBytes,
  limits,
  manifestIdFrom,
} from '@quarry/content';
import type { ImageRecord, Manifest, ManifestId } from '@quarry/content';
import { parseMessage, readText } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** A request to fetch an image and to keep it, or how far that is. */
export type HoldMessage =
  | {
      readonly kind: 'hold';
      readonly record: ImageRecord;
      readonly manifest: Manifest;
      /** Whether the chunks are wanted as well, or only what says how the image is made: descriptors and manifest. */
      readonly withChunks: boolean;
    }
  | { readonly kind: 'status'; readonly manifest: ManifestId };

export type HoldAnswer = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly reason: string };

/** How far a node is that was asked to hold an image. */
export interface HoldState {
  readonly kind: 'fetching' | 'complete' | 'failed';
  readonly wantedBytes: number;
  readonly presentBytes: number;
}

/** Absent: it holds nothing by that name for this asker. */
export type HoldReply = HoldAnswer | HoldState | { readonly kind: 'absent' };

const HOLD = 0;
const STATUS = 1;
const HOLD_PARTS = 2;
const ACCEPTED = 0;
const REFUSED = 1;
const ABSENT = 2;
const STATES: readonly HoldState['kind'][] = ['fetching', 'complete', 'failed'];
const FIRST_STATE = 3;
const MAX_REASON_BYTES = 255;
export const MAX_HOLD_ANSWER_BYTES = 272;

export function encodeHoldMessage(message: HoldMessage): Uint8Array {
  const writer = new ByteWriter();
  if (message.kind === 'status') {
    writer.u8(STATUS);
    writer.raw(idBytes(message.manifest));
    return writer.finish();
  }
  const record = encodeImageRecord(message.record);
  writer.u8(message.withChunks ? HOLD : HOLD_PARTS);
  writer.varint(record.length);
  writer.raw(record);
  writer.raw(encodeManifest(message.manifest));
  return writer.finish();
}

/** The manifest is the one that the record names; whether the record is signed is not looked at. */
export function decodeHoldMessage(bytes: Uint8Array): HoldMessage {
  return parseMessage('request to hold an image', bytes, protocolLimits.maxHoldBytes, (reader): HoldMessage => {
    const kind = reader.u8();
    if (kind === STATUS) return { kind: 'status', manifest: manifestIdFrom(reader.view(limits.digestBytes)) };
    if (kind !== HOLD && kind !== HOLD_PARTS) throw reader.malformed(`is of the unknown kind ${kind}`);
    const record = decodeImageRecord(reader.view(reader.count('bytes of record', limits.maxImageRecordBytes, 1)));
    const manifest = decodeManifest(reader.view(reader.remaining), record.manifest);
    return { kind: 'hold', record, manifest, withChunks: kind === HOLD };
  });
}

export function encodeHoldReply(reply: HoldReply): Uint8Array {
  const writer = new ByteWriter();
  switch (reply.kind) {
    case 'accepted':
      writer.u8(ACCEPTED);
      break;
    case 'refused':
      writer.u8(REFUSED);
      writer.text(shortened(reply.reason));
      break;
    case 'absent':
      writer.u8(ABSENT);
      break;
    default:
      writer.u8(FIRST_STATE + STATES.indexOf(reply.kind));
      writer.varint(reply.wantedBytes);
      writer.varint(reply.presentBytes);
  }
  return writer.finish();
}

export function decodeHoldReply(bytes: Uint8Array): HoldReply {
  return parseMessage('answer about holding an image', bytes, MAX_HOLD_ANSWER_BYTES, (reader): HoldReply => {
    const status = reader.u8();
    if (status === ACCEPTED) return { kind: 'accepted' };
    if (status === REFUSED) return { kind: 'refused', reason: readText(reader, 'reason', MAX_REASON_BYTES) };
    if (status === ABSENT) return { kind: 'absent' };
    const kind = STATES[status - FIRST_STATE];
    if (kind === undefined) throw reader.malformed(`has the unknown status ${status}`);
    return { kind, wantedBytes: reader.varint(), presentBytes: reader.varint() };
  });
}

/** A reason is for people: what breaks a line is a space, and what does not fit is left out. */
function shortened(reason: string): string {
  let text = '';
  let left = MAX_REASON_BYTES;
  for (const character of reason.toWellFormed()) {
    const code = character.codePointAt(0) ?? 0;
    const shown = code < 0x20 || code === 0x7f ? ' ' : character;
    left -= Buffer.byteLength(shown);
    if (left < 0) break;
    text += shown;
  }
  return text;
}
