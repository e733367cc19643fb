import { imageRef } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import { boundImage, parseImageRecord } from '../src/shown-image.ts';

const ID = '1c6b6b63-6f37-4d4a-9d6e-2f0f8b2f6a10';
const BASE = '9a4d0f8e-0d53-4a86-8d1e-6a1f4a2f9b77';
const REF = imageRef(ID);
const HEX = 'ab'.repeat(64);

function parse(fields: Record<string, unknown>) {
  return parseImageRecord(
    JSON.stringify({ id: ID, status: 'queued', visibility: 'private', owner: 'p1', ...fields }),
    REF,
  );
}

describe("Glance's record of an image", () => {
  test('tells of a snapshot whose image, and which instance, it is of', () => {
    expect(parse({ base_image_ref: BASE, instance_uuid: 'i-1', size: null, os_hash_algo: null })).toEqual({
      ref: REF,
      domain: 'project:p1',
      baseImage: BASE,
      instance: 'i-1',
      status: 'queued',
      imageBytes: undefined,
      hash: undefined,
    });
  });

  test.for([
    [{ visibility: 'public' }, 'public'],
    [{ visibility: 'community' }, 'public'],
    [{ visibility: 'shared' }, 'project:p1'],
    [{ visibility: 'private' }, 'project:p1'],
    [{ visibility: undefined }, 'project:p1'],
    [{ owner: null }, 'project:unowned'],
    [{ owner: '' }, 'project:unowned'],
  ] as const)('%o is of the domain %s', ([fields, domain]) => {
    expect(parse(fields).domain).toBe(domain);
  });

  test.for([
    ['sha512', HEX, { algorithm: 'sha512', value: HEX }],
    ['sha256', HEX.slice(64), { algorithm: 'sha256', value: HEX.slice(64) }],
    ['blake2b', HEX.toUpperCase(), { algorithm: 'blake2b512', value: HEX }],
    ['md5', HEX.slice(96), undefined],
    ['sha512', HEX.slice(1), undefined],
    ['constructor', HEX, undefined],
    [null, null, undefined],
  ] as const)('a hash %s of %s is read as it is, or not at all', ([os_hash_algo, os_hash_value, hash]) => {
    const record = parse({ status: 'active', size: 3, os_hash_algo, os_hash_value });
    expect(record.hash).toEqual(hash);
    expect(boundImage(record) !== undefined).toBe(hash !== undefined);
  });

  test('what names the base image may be anything, and is then no image', () => {
    expect(parse({ base_image_ref: '../../etc/passwd' }).baseImage).toBeUndefined();
  });

  test.for([
    ['no JSON', '<html>'],
    ['another image', JSON.stringify({ id: BASE, status: 'active' })],
    ['null', 'null'],
    ['no status', JSON.stringify({ id: ID })],
    ['an owner that names no project', JSON.stringify({ id: ID, status: 'active', owner: 'a/../b' })],
  ] as const)('%s is refused', ([, text]) => {
    expect(() => parseImageRecord(text, REF)).toThrow(expect.objectContaining({ code: 'GATEWAY_BAD_ANSWER' }));
  });
});
