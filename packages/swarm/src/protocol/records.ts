import { ByteWriter, decodeImageRecord, encodeImageRecord, imageRef, limits } from '@quarry/content';
import type { ImageRecord, ImageRef } from '@quarry/content';
import { parseMessage, readList } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** Records of images by reference, or in order of reference after a given one. Their signatures are checked by whoever asked. */
export interface ListRecords {
  /** Undefined: from the first. */
  readonly after: ImageRef | undefined;
  /** 1 to 256. */
  readonly limit: number;
}

export function encodeFindRecords(ref: ImageRef): Uint8Array {
  const writer = new ByteWriter();
  writer.text(ref);
  return writer.finish();
}

export function decodeFindRecords(bytes: Uint8Array): ImageRef {
  return parseMessage('request for records', bytes, limits.maxNameBytes + 1, (reader) => {
    const text = reader.text();
    return reader.checked(() => imageRef(text));
  });
}

export function encodeListRecords(request: ListRecords): Uint8Array {
  const writer = new ByteWriter();
  writer.text(request.after ?? '');
  writer.varint(request.limit);
  return writer.finish();
}

export function decodeListRecords(bytes: Uint8Array): ListRecords {
  return parseMessage('request for a list of records', bytes, limits.maxNameBytes + 4, (reader) => {
    const text = reader.text();
    const after = text === '' ? undefined : reader.checked(() => imageRef(text));
    const limit = reader.varint();
    if (limit < 1 || limit > protocolLimits.maxRecords) throw reader.malformed(`asks for ${limit} records`);
    return { after, limit };
  });
}

export function encodeRecordsAnswer(records: readonly ImageRecord[]): Uint8Array {
  const writer = new ByteWriter(16 + records.length * 512);
  writer.varint(records.length);
  for (const record of records) {
    const bytes = encodeImageRecord(record);
    writer.varint(bytes.length);
    writer.raw(bytes);
  }
  return writer.finish();
}

export function decodeRecordsAnswer(bytes: Uint8Array): ImageRecord[] {
  const { maxRecords, maxRecordsBytes } = protocolLimits;
  return parseMessage('answer with records', bytes, maxRecordsBytes, (reader) =>
    readList(reader, 'records', { max: maxRecords, itemBytes: 1 }, () =>
      decodeImageRecord(reader.view(reader.count('bytes of record', limits.maxImageRecordBytes, 1))),
    ),
  );
}
