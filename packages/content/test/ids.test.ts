import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { domain, idBytes, imageRef, manifestId, manifestIdFrom, packId, packIdFrom } from '../src/ids.ts';
import { refusal } from './hostile.ts';

describe('an id', () => {
  test('is the same in text and in bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(Buffer.compare(idBytes(packIdFrom(bytes)), bytes)).toBe(0);
        expect(manifestId(manifestIdFrom(bytes))).toBe(packId(packIdFrom(bytes)));
      }),
    );
  });

  test.for(['', 'ab', 'AB'.repeat(32), 'g'.repeat(64), `${'a'.repeat(64)}\n`, 'a'.repeat(65)])('is not %j', (text) => {
    expect(refusal(() => packId(text))).toBe('CONTENT_BAD_NAME');
    expect(refusal(() => manifestId(text))).toBe('CONTENT_BAD_NAME');
  });

  test('of another size than 32 bytes is none', () => {
    expect(refusal(() => packIdFrom(new Uint8Array(31)))).toBe('CONTENT_BAD_NAME');
    expect(refusal(() => manifestIdFrom(new Uint8Array(33)))).toBe('CONTENT_BAD_NAME');
  });
});

describe('a domain', () => {
  test.for(['public', 'project:a', `project:${'x'.repeat(80)}`, 'project:0b-_A'])('may be %s', (text) => {
    expect(domain(text)).toBe(text);
  });

  test.for([
    '',
    'Public',
    'project:',
    `project:${'x'.repeat(81)}`,
    'project:a/b',
    'project:ä',
    'project:a\n',
    'other:a',
  ])('is not %j', (text) => {
    expect(refusal(() => domain(text))).toBe('CONTENT_BAD_NAME');
  });
});

describe('an image reference', () => {
  test.for(['a', 'debian-13.qcow2', '日本語', '../../etc/passwd', 'x'.repeat(255), '\ufeffa'])('may be %j', (text) => {
    expect(imageRef(text)).toBe(text);
  });

  test.for(['', 'x'.repeat(256), 'ä'.repeat(128), 'a\0', 'a\nb', 'a\x7f', '\ud800'])('is not %j', (text) => {
    expect(refusal(() => imageRef(text))).toBe('CONTENT_BAD_NAME');
  });

  test('that is refused is quoted in part, so that a message stays short', () => {
    expect(() => imageRef('x'.repeat(10_000))).toThrow(/^.{1,250}$/);
  });
});
