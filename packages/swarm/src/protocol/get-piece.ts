import { ByteWriter, idBytes, packIdFrom } from '@quarry/content';
import type { Encoding, PackId } from '@quarry/content';
import { encodingCode, readEncoding } from './body-encoding.ts';
import { parseMessage, PROOF_BYTES } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

export interface GetPiece {
  readonly pack: PackId;
  readonly piece: number;
  /** The chunks asked for; never 0. */
  readonly mask: number;
  /** That the asker knows the secret of a private pack: 32 bytes. */
  readonly proof?: Uint8Array | undefined;
}

export type PieceAnswer =
  /** The masked chunks one after another, plain; or, only of a whole piece and who welcomes it, the zstd frame of all of them. */
  | { readonly kind: 'piece'; readonly encoding: Encoding; readonly body: Uint8Array }
  /** Served later: so many wait here already. */
  | { readonly kind: 'busy'; readonly queueLength: number }
  | { readonly kind: 'absent' }
  /** Not for this asker. */
  | { readonly kind: 'refused' };

const PIECE = 0;
const BUSY = 1;
const ABSENT = 2;
const REFUSED = 3;

const PLAIN_BYTES = 35;
/** With a proof. */
export const GET_PIECE_BYTES: number = PLAIN_BYTES + PROOF_BYTES;

export function encodeGetPiece(request: GetPiece): Uint8Array {
  const writer = new ByteWriter(GET_PIECE_BYTES);
  writer.raw(idBytes(request.pack));
  writer.u8(request.piece);
  writer.u16(request.mask);
  if (request.proof) writer.raw(request.proof);
  return writer.finish();
}

export function decodeGetPiece(bytes: Uint8Array): GetPiece {
  return parseMessage('request for a piece', bytes, GET_PIECE_BYTES, (reader) => {
    const pack = packIdFrom(reader.view(32));
    const piece = reader.u8();
    const mask = reader.u16();
    if (mask === 0) throw reader.malformed('asks for no chunk');
    if (reader.remaining === 0) return { pack, piece, mask };
    return { pack, piece, mask, proof: reader.copy(PROOF_BYTES) };
  });
}

/** What stands before the body, which the sender adds part by part. */
export function encodePieceHead(encoding: Encoding): Uint8Array {
  return Uint8Array.of(PIECE, encodingCode(encoding));
}

export function encodePieceRefusal(answer: Exclude<PieceAnswer, { readonly kind: 'piece' }>): Uint8Array {
  const writer = new ByteWriter(12);
  if (answer.kind === 'busy') {
    writer.u8(BUSY);
    writer.varint(answer.queueLength);
  } else writer.u8(answer.kind === 'absent' ? ABSENT : REFUSED);
  return writer.finish();
}

/** The body is a view of `bytes`. */
export function decodePieceAnswer(bytes: Uint8Array): PieceAnswer {
  return parseMessage('answer with a piece', bytes, protocolLimits.maxPieceAnswerBytes, (reader): PieceAnswer => {
    const status = reader.u8();
    switch (status) {
      case PIECE: {
        const encoding = readEncoding(reader);
        return { kind: 'piece', encoding, body: reader.view(reader.remaining) };
      }
      case BUSY:
        return { kind: 'busy', queueLength: reader.varint() };
      case ABSENT:
        return { kind: 'absent' };
      case REFUSED:
        return { kind: 'refused' };
      default:
        throw reader.malformed(`has the unknown status ${status}`);
    }
  });
}
