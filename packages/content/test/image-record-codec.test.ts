import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeImageRecord, encodeImageRecord, signImageRecord, verifyImageRecord } from '../src/image-record-codec.ts';
import type { ImageRecord, Signer } from '../src/image-record.ts';
import { limits } from '../src/limits.ts';
import { anyRecordFields, bitFlips, damaged, truncations } from './arbitraries.ts';
import { refusal, unlessRefused } from './hostile.ts';

function createSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
    sign: async (bytes) => sign(null, bytes, privateKey),
  };
}

const signer = createSigner();
const sample = async (): Promise<ImageRecord> => {
  const [fields] = fc.sample(anyRecordFields, { numRuns: 1, seed: 1 });
  if (!fields) throw new Error('no sample');
  return await signImageRecord(fields, signer);
};

describe('an image record', () => {
  test('that was signed verifies after its way through bytes', async () => {
    await fc.assert(
      fc.asyncProperty(anyRecordFields, async (fields) => {
        const record = await signImageRecord(fields, signer);
        const encoded = encodeImageRecord(record);
        const decoded = decodeImageRecord(encoded);
        expect(decoded).toEqual({ ...record, signature: new Uint8Array(record.signature) });
        verifyImageRecord(decoded);
        expect(encoded.length).toBeLessThanOrEqual(limits.maxImageRecordBytes);
      }),
    );
  });

  test('has one encoding: damaged bytes are refused or are the encoding of something else', async () => {
    const good = encodeImageRecord(await sample());
    fc.assert(
      fc.property(fc.oneof(damaged(fc.constant(good)), fc.uint8Array()), (bytes) => {
        const decoded = unlessRefused(() => decodeImageRecord(bytes));
        if (decoded) expect(Buffer.compare(encodeImageRecord(decoded), bytes)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('is refused at every truncation and every flipped bit, by its form or by its signature', async () => {
    const good = encodeImageRecord(await sample());
    for (const bytes of truncations(good)) expect(refusal(() => decodeImageRecord(bytes))).toBe('CONTENT_MALFORMED');
    for (const bytes of bitFlips(good)) {
      expect(['CONTENT_MALFORMED', 'CONTENT_TOO_LARGE', 'CONTENT_BAD_SIGNATURE']).toContain(
        refusal(() => verifyImageRecord(decodeImageRecord(bytes))),
      );
    }
    verifyImageRecord(decodeImageRecord(good));
  });

  test('is refused when another publisher puts its name on it', async () => {
    const record = await sample();
    const other = createSigner();
    expect(refusal(() => verifyImageRecord({ ...record, publisher: other.publicKey }))).toBe('CONTENT_BAD_SIGNATURE');
  });

  test('does not take a signature over the same bytes made for something else', async () => {
    const record = await sample();
    const statement = encodeImageRecord(record).subarray(0, -64);
    expect(refusal(() => verifyImageRecord({ ...record, signature: record.signature.subarray(1) }))).toBe(
      'CONTENT_BAD_SIGNATURE',
    );
    const signature = await signer.sign(statement);
    expect(refusal(() => verifyImageRecord({ ...record, signature }))).toBe('CONTENT_BAD_SIGNATURE');
  });

  test('with a byte too many, or longer than the limit, is refused', async () => {
    const good = encodeImageRecord(await sample());
    expect(refusal(() => decodeImageRecord(Buffer.concat([good, Buffer.of(0)])))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => decodeImageRecord(new Uint8Array(limits.maxImageRecordBytes + 1)))).toBe('CONTENT_TOO_LARGE');
  });

  test('of a signer whose key or signature has the wrong size is a mistake of the caller', async () => {
    const [fields] = fc.sample(anyRecordFields, { numRuns: 1, seed: 1 });
    if (!fields) throw new Error('no sample');
    const broken: Signer = { publicKey: signer.publicKey, sign: async () => new Uint8Array(63) };
    await expect(signImageRecord(fields, broken)).rejects.toThrow(TypeError);
    const badHash = { algorithm: 'sha256', value: 'AB'.repeat(32) } as const;
    await expect(signImageRecord({ ...fields, hash: badHash }, signer)).rejects.toThrow(TypeError);
  });
});
