import { addRun, ByteWriter, chunksPerPieceFor, ContentError, digestOf, domain, publicDomain } from '@quarry/content';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkOfFrame, createFrameTable, setFrame } from '../src/frame-table.ts';
import { decodePackRecord, encodePackRecord } from '../src/pack-record.ts';
import type { PackRecord } from '../src/pack-record.ts';

const frame = fc.record({
  piece: fc.nat(255),
  bytes: fc.integer({ min: 1, max: 2 ** 22 }),
  check: fc.nat(0xffff_ffff),
});
const record = fc.integer({ min: 1, max: 4096 }).chain((chunkCount) =>
  fc
    .record({
      number: fc.nat(0xffff_ffff),
      domain: fc.constantFrom(publicDomain, domain('project:red')),
      secret: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined }),
      chunkCount: fc.constant(chunkCount),
      presentBytes: fc.nat(2 ** 30),
      storedBytes: fc.nat(2 ** 30),
      dataEnd: fc.nat(2 ** 30),
      bits: fc.uint8Array({ minLength: (chunkCount + 7) >> 3, maxLength: (chunkCount + 7) >> 3 }),
      frames: fc.array(frame, { maxLength: 300 }),
    })
    .map((fields) => withFrames(fields, fields.frames)),
);

/** The record in which these pieces are frames, and therefore wholly present. */
function withFrames(
  fields: Omit<PackRecord, 'frames'>,
  frames: readonly { readonly piece: number; readonly bytes: number; readonly check: number }[],
): PackRecord {
  const { chunkCount } = fields;
  const chunksPerPiece = chunksPerPieceFor(chunkCount);
  const table = createFrameTable(chunkCount);
  const present = { chunkCount, bits: new Uint8Array(fields.bits) };
  const fitting = frames.filter(({ piece }) => piece * chunksPerPiece < chunkCount);
  for (const { piece, bytes, check } of fitting) {
    const first = piece * chunksPerPiece;
    setFrame(table, piece, bytes, check);
    addRun(present, first, Math.min(chunksPerPiece, chunkCount - first));
  }
  return { ...fields, bits: present.bits, frames: fitting.length > 0 ? table : undefined };
}

test('a record reads back as it was written', () => {
  fc.assert(
    fc.property(record, (written) => {
      expect(decodePackRecord(encodePackRecord(written))).toEqual(written);
    }),
  );
});

test('a record that was cut, or of which any bit is flipped, is refused', () => {
  fc.assert(
    fc.property(record, fc.nat(), fc.nat(7), (written, at, bit) => {
      const bytes = new Uint8Array(encodePackRecord(written));
      expect(() => decodePackRecord(bytes.subarray(0, at % bytes.length))).toThrow(ContentError);
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << bit);
      expect(() => decodePackRecord(bytes)).toThrow(ContentError);
    }),
  );
});

function sealed(writer: ByteWriter): Uint8Array {
  const body = writer.finish();
  return Buffer.concat([body, digestOf(body).subarray(0, 8)]);
}

test('a record of version 1 is one without frames', () => {
  const writer = new ByteWriter();
  writer.u8(1);
  writer.varint(7);
  writer.text('public');
  writer.u16(11);
  writer.varint(5000);
  writer.varint(9000);
  writer.raw(Uint8Array.of(0xff, 0x01));
  expect(decodePackRecord(sealed(writer))).toEqual({
    number: 7,
    domain: publicDomain,
    secret: undefined,
    chunkCount: 11,
    presentBytes: 5000,
    storedBytes: 5000,
    dataEnd: 9000,
    bits: Uint8Array.of(0xff, 0x01),
    frames: undefined,
  });
});

test('a record that names a frame of a piece that is not wholly present, or that the pack does not have, is refused', () => {
  const written: PackRecord = {
    number: 1,
    domain: publicDomain,
    secret: undefined,
    chunkCount: 6,
    presentBytes: 5,
    storedBytes: 3,
    dataEnd: 9,
    bits: Uint8Array.of(0b101111),
    frames: Uint32Array.of(3, 77, 0, 0),
  };
  expect(decodePackRecord(encodePackRecord(written))).toEqual(written);
  const partial = { ...written, frames: Uint32Array.of(0, 0, 3, 77) };
  expect(() => decodePackRecord(encodePackRecord(partial))).toThrow(/frame of piece 1, which is not present/);
  const beyond = { ...written, frames: Uint32Array.of(3, 77, 0, 0, 3, 77) };
  expect(() => decodePackRecord(encodePackRecord(beyond))).toThrow(/frame of piece 2/);
});

test.for([
  ['a public pack', publicDomain, undefined, '02 01 067075626c6963'],
  [
    'a pack with a secret',
    domain('project:p'),
    new Uint8Array(32).fill(0xee),
    `03 01 0970726f6a6563743a70 ${'ee'.repeat(32)}`,
  ],
] as const)('a record of %s is laid out as FORMAT.md says', ([, owner, secret, head]) => {
  const bytes = encodePackRecord({
    number: 1,
    domain: owner,
    secret,
    chunkCount: 6,
    presentBytes: 400,
    storedBytes: 300,
    dataEnd: 500,
    bits: Uint8Array.of(0b101111),
    frames: Uint32Array.of(0x0a0b0c, checkOfFrame(Uint8Array.of()), 0, 0),
  });
  const body = `${head} 0600 9003 ac02 f403 2f 0100 00 0c0b0a af1349b9`.replaceAll(' ', '');
  expect(Buffer.from(bytes).toString('hex')).toBe(
    body +
      Buffer.from(digestOf(Buffer.from(body, 'hex')))
        .toString('hex')
        .slice(0, 16),
  );
});
