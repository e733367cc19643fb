import { createPublicKey, verify } from 'node:crypto';
import { ByteReader, checkEncodedBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { ContentError } from './content-error.ts';
import { domain as checkedDomain, idBytes, imageRef, manifestIdFrom } from './ids.ts';
import { readImageHash, writeImageHash } from './image-hash-codec.ts';
import type { ImageRecord, Signer } from './image-record.ts';
import { limits } from './limits.ts';
import { readImageBytes } from './manifest-codec.ts';

const MAGIC = 'QIR1';
/** Stands before the signed bytes, so that no signature made for something else is ever one of a record. */
const CONTEXT = Buffer.from('quarry image record v1\0', 'latin1');
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** DER of a SubjectPublicKeyInfo for Ed25519 up to the key itself (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

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
  if (isSigned(record)) return;
  const publisher = Buffer.from(record.publisher).toString('hex');
  throw new ContentError(
    'CONTENT_BAD_SIGNATURE',
    `the record of image ${JSON.stringify(record.ref)} is not signed by ${publisher}`,
    {
      details: { ref: record.ref, manifest: record.manifest, publisher },
    },
  );
}

function isSigned(record: ImageRecord): boolean {
  if (record.publisher.length !== PUBLIC_KEY_BYTES || record.signature.length !== SIGNATURE_BYTES) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, record.publisher]), format: 'der', type: 'spki' });
  return verify(null, signedBytes(record), key, record.signature);
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

function checkKeyBytes(publisher: Uint8Array, signature: Uint8Array): void {
  if (publisher.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) {
    throw new TypeError(
      `an Ed25519 key has ${PUBLIC_KEY_BYTES} bytes and a signature ${SIGNATURE_BYTES}, not ${publisher.length} and ${signature.length}`,
    );
  }
}
