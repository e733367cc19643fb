import { ByteWriter, limits } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { parseMessage, PROOF_BYTES, readList, readPeerId } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** A request for a manifest or a descriptor, by its id: the bytes prove themselves. */
export interface GetBlob {
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Whether a seeder is to give it although others should have it: they were asked, and did not. */
  readonly insists: boolean;
  /** The bytes of a ticket, where a private manifest is asked for; whether they are one is seen by who serves. */
  readonly ticket?: Uint8Array | undefined;
  /** That the asker knows the secret of the pack whose descriptor it asks for: 32 bytes. */
  readonly proof?: Uint8Array | undefined;
}

export type BlobAnswer =
  | { readonly kind: 'blob'; readonly body: Uint8Array }
  | { readonly kind: 'absent' }
  /** These were given it, or will have it in a moment: a seeder's link carries it once or twice, not once per node. */
  | { readonly kind: 'elsewhere'; readonly peers: readonly PeerId[] };

const BLOB = 0;
const ABSENT = 2;
const ELSEWHERE = 4;
const INSISTS = 1;
const HAS_TICKET = 2;
const HAS_PROOF = 4;
export const GET_BLOB_BYTES: number = limits.digestBytes + 1 + Math.max(PROOF_BYTES, 2 + limits.maxTicketBytes);

export function encodeGetBlob(request: GetBlob): Uint8Array {
  const { ticket } = request;
  const writer = new ByteWriter(33);
  writer.raw(request.id);
  writer.u8((request.insists ? INSISTS : 0) | (ticket ? HAS_TICKET : 0) | (request.proof ? HAS_PROOF : 0));
  if (ticket) {
    writer.varint(ticket.length);
    writer.raw(ticket);
  }
  if (request.proof) writer.raw(request.proof);
  return writer.finish();
}

export function decodeGetBlob(bytes: Uint8Array): GetBlob {
  return parseMessage('request for a blob', bytes, GET_BLOB_BYTES, (reader) => {
    const id = new Uint8Array(reader.view(limits.digestBytes));
    const flags = reader.u8();
    if ((flags & ~(INSISTS | HAS_TICKET | HAS_PROOF)) !== 0) throw reader.malformed('has unknown flags');
    const asked = { id, insists: (flags & INSISTS) !== 0 };
    switch (flags & (HAS_TICKET | HAS_PROOF)) {
      case 0:
        return asked;
      case HAS_TICKET:
        return { ...asked, ticket: reader.copy(reader.count('bytes of ticket', limits.maxTicketBytes, 1)) };
      case HAS_PROOF:
        return { ...asked, proof: reader.copy(PROOF_BYTES) };
      default:
        throw reader.malformed('has a ticket and a proof');
    }
  });
}

/** What stands before the body. */
export function encodeBlobHead(): Uint8Array {
  return Uint8Array.of(BLOB);
}

export function encodeBlobRefusal(answer: Exclude<BlobAnswer, { readonly kind: 'blob' }>): Uint8Array {
  const writer = new ByteWriter();
  if (answer.kind === 'absent') writer.u8(ABSENT);
  else {
    writer.u8(ELSEWHERE);
    writer.varint(answer.peers.length);
    for (const peer of answer.peers) writer.text(peer);
  }
  return writer.finish();
}

/** The body is a view of `bytes`, at most `maxBodyBytes` long. */
export function decodeBlobAnswer(bytes: Uint8Array, maxBodyBytes: number): BlobAnswer {
  const maxBytes = Math.max(maxBodyBytes + 1, protocolLimits.maxRedirects * 129 + 2);
  return parseMessage('answer with a blob', bytes, maxBytes, (reader): BlobAnswer => {
    const status = reader.u8();
    switch (status) {
      case BLOB:
        if (reader.remaining > maxBodyBytes) throw reader.malformed(`has a body of over ${maxBodyBytes} bytes`);
        return { kind: 'blob', body: reader.view(reader.remaining) };
      case ABSENT:
        return { kind: 'absent' };
      case ELSEWHERE:
        return {
          kind: 'elsewhere',
          peers: readList(reader, 'peers', { max: protocolLimits.maxRedirects, itemBytes: 2 }, () =>
            readPeerId(reader),
          ),
        };
      default:
        throw reader.malformed(`has the unknown status ${status}`);
    }
  });
}
