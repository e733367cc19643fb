import { ByteWriter } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { decodeMemberRecord, encodeMemberRecord } from './member-record.ts';
import type { MemberRecord } from './member-record.ts';
import { parseMessage, readList, readPeerId, readText } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** Where another member may be dialled. Hearsay: whoever answers there proves who it is. */
export interface MemberHint {
  readonly peer: PeerId;
  readonly addresses: readonly string[];
}

/** The answer to a hello, whose request is the asker's member record. */
export interface HelloAnswer {
  readonly record: MemberRecord;
  readonly hints: readonly MemberHint[];
}

export function encodeHelloAnswer(answer: HelloAnswer): Uint8Array {
  const writer = new ByteWriter();
  const record = encodeMemberRecord(answer.record);
  writer.varint(record.length);
  writer.raw(record);
  writer.varint(answer.hints.length);
  for (const hint of answer.hints) {
    writer.text(hint.peer);
    writer.varint(hint.addresses.length);
    for (const address of hint.addresses) writer.text(address);
  }
  return writer.finish();
}

export function decodeHelloAnswer(bytes: Uint8Array): HelloAnswer {
  const { maxHelloBytes, maxMemberBytes, maxHints, maxAddresses, maxAddressBytes } = protocolLimits;
  return parseMessage('answer to a hello', bytes, maxHelloBytes, (reader) => {
    const record = decodeMemberRecord(reader.view(reader.count('bytes of record', maxMemberBytes, 1)));
    const hints = readList(reader, 'hints', { max: maxHints, itemBytes: 3 }, () => ({
      peer: readPeerId(reader),
      addresses: readList(reader, 'addresses', { max: maxAddresses, itemBytes: 1 }, () =>
        readText(reader, 'address', maxAddressBytes),
      ),
    }));
    return { record, hints };
  });
}
