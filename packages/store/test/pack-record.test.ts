import { ContentError, domain, publicDomain } from '@quarry/content';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePackRecord, encodePackRecord } from '../src/pack-record.ts';

const record = fc.integer({ min: 1, max: 4096 }).chain((chunkCount) =>
  fc.record({
    number: fc.nat(0xffff_ffff),
    domain: fc.constantFrom(publicDomain, domain('project:red')),
    chunkCount: fc.constant(chunkCount),
    presentBytes: fc.nat(2 ** 30),
    dataEnd: fc.nat(2 ** 30),
    bits: fc.uint8Array({ minLength: (chunkCount + 7) >> 3, maxLength: (chunkCount + 7) >> 3 }),
  }),
);

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
