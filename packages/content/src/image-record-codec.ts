import { ByteReader, checkEncodedBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { ContentError } from './content-error.ts';
import { domain as checkedDomain, idBytes, imageRef, manifestIdFrom } from './ids.ts';
import { readImageHash, writeImageHash } from './image-hash-codec.ts';
import type { ImageRecord, Signer } from './image-record.ts';
import { limits } from './limits.ts';
import { readImageBytes } from './manifest-codec.ts';
import { checkKeyBytes, isSignedBy, PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from './signed-by.ts';

const MAGIC = 'QIR1';
/** Stands before the signed bytes, so that no signature made for something else is ever one of a record. */
const CONTEXT = Buffer.from('quarry image record v1\0', 'latin1');

/** What a publisher states: all of a record that the signature does not add. */
export type ImageRecordFields = Omit<ImageRecord, 'publisher' | 'signature'>;

export function encodeImageRecord(record: ImageRecord): Uint8Array {
  checkKeyBytes(record.publisher, record.signature);
  const writer = new ByteWriter();
  writer.raw(statementOf(record));
  writer.raw(record.signature);
  return writer.finish();
}

/**
 * Copies what it needs. Does not look at the signature: `verifyImageRecord` does.
 * @throws ContentError CONTENT_TOO_LARGE, CONTENT_MALFORMED
 */
export function decodeImageRecord(bytes: Uint8Array): ImageRecord {
  checkEncodedBytes('image record', bytes, limits.maxImageRecordBytes);
  const reader = new ByteReader(bytes, 'image record');
  reader.magic(MAGIC);
  const name = reader.text();
  const ref = reader.checked(() => imageRef(name));
  const domainText = reader.text();
  const record = {
    ref,
    domain: reader.checked(() => checkedDomain(domainText)),
    imageBytes: readImageBytes(reader),
    hash: readImageHash(reader),
    manifest: manifestIdFrom(reader.view(limits.digestBytes)),
    publishedAtMs: reader.varint(),
    publisher: reader.copy(PUBLIC_KEY_BYTES),
    signature: reader.copy(SIGNATURE_BYTES),
  };
  reader.end();
  return record;
}

export async function signImageRecord(fields: ImageRecordFields, signer: Signer): Promise<ImageRecord> {
  const publisher = new Uint8Array(signer.publicKey);
  const signature = await signer.sign(signedBytes({ ...fields, publisher }));
  checkKeyBytes(publisher, signature);
  return { ...fields, publisher, signature };
}

/**
 * Says that the record's publisher made it. Whether to trust this publisher is the caller's matter.
 * @throws ContentError CONTENT_BAD_SIGNATURE
 */
export function verifyImageRecord(record: ImageRecord): void {
  if (isSignedBy(record.publisher, signedBytes(record), record.signature)) return;
  const publisher = Buffer.from(record.publisher).toString('hex');
  throw new ContentError(
    'CONTENT_BAD_SIGNATURE',
    `the record of image ${JSON.stringify(record.ref)} is not signed by ${publisher}`,
    {
      details: { ref: record.ref, manifest: record.manifest, publisher },
    },
  );
}

function signedBytes(record: Omit<ImageRecord, 'signature'>): Uint8Array {
  return Buffer.concat([CONTEXT, statementOf(record)]);
}

/** A record's bytes up to its signature. */
function statementOf(record: Omit<ImageRecord, 'signature'>): Uint8Array {
  const writer = new ByteWriter();
  writer.magic(MAGIC);
  writer.text(record.ref);
  writer.text(record.domain);
  writer.varint(record.imageBytes);
  writeImageHash(writer, record.hash);
  writer.raw(idBytes(record.manifest));
  writer.varint(record.publishedAtMs);
  writer.raw(record.publisher);
  return writer.finish();
}
