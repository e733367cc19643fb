import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { ImageHash } from './image-hash.ts';

interface HashForm {
  readonly algorithm: ImageHash['algorithm'];
  readonly code: number;
  readonly bytes: number;
}

const NO_HASH = 0;
const FORMS: readonly HashForm[] = [
  { algorithm: 'sha512', code: 1, bytes: 64 },
  { algorithm: 'sha256', code: 2, bytes: 32 },
  { algorithm: 'sha384', code: 3, bytes: 48 },
  { algorithm: 'blake2b512', code: 4, bytes: 64 },
];

/** @throws TypeError for an unknown algorithm, or a value that is not lower-case hex of its length */
export function writeImageHash(writer: ByteWriter, hash: ImageHash | undefined): void {
  if (hash === undefined) return writer.u8(NO_HASH);
  const form = FORMS.find(({ algorithm }) => algorithm === hash.algorithm);
  if (!form || hash.value.length !== 2 * form.bytes || !/^[0-9a-f]*$/.test(hash.value)) {
    throw new TypeError(`not a ${hash.algorithm} in lower-case hex: ${JSON.stringify(hash.value.slice(0, 128))}`);
  }
  writer.u8(form.code);
  writer.raw(Buffer.from(hash.value, 'hex'));
}

export function readImageHash(reader: ByteReader): ImageHash | undefined {
  const code = reader.u8();
  if (code === NO_HASH) return undefined;
  const form = FORMS.find((candidate) => candidate.code === code);
  if (!form) throw reader.malformed(`has the unknown hash algorithm ${code}`);
  return { algorithm: form.algorithm, value: Buffer.from(reader.view(form.bytes)).toString('hex') };
}
