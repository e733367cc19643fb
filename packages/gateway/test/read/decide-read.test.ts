import { domain, imageRef } from '@quarry/content';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideByProbe, decideRead, findRange, probeRange, servedHead } from '../../src/read/decide-read.ts';
import type { ImageRecord, ShownImage } from '../../src/shown-image.ts';

const record: ImageRecord = {
  ref: imageRef('7f2f0b1c-5d41-4f5c-9a51-0d9a6a9d1b2e'),
  domain: domain('project:alpha'),
  baseImage: undefined,
  instance: undefined,
  status: 'active',
  imageBytes: 1000,
  hash: { algorithm: 'sha512', value: 'ab'.repeat(64) },
  checksum: '0123456789abcdef0123456789abcdef',
};
const plain = { range: undefined, hasContentRange: false, hasBody: false };
const shown = (change: Partial<ImageRecord> = {}): ShownImage => ({ status: 200, record: { ...record, ...change } });

describe('decideRead', () => {
  it('asks for permission where the image is bound and the request is plain', () => {
    const step = decideRead(plain, shown(), 1);
    expect(step).toMatchObject({ kind: 'probe', range: { offset: 0, length: 1000, isWhole: true } });
    expect(step.kind === 'probe' && probeRange(step.image)).toBe('bytes=1000-');
  });

  it.each([
    ['Glance does not show it', plain, { status: 404, record: undefined }, 'not-shown'],
    ['it is not active', plain, shown({ status: 'deactivated' }), 'not-active'],
    ['it is still queued', plain, shown({ status: 'queued', imageBytes: undefined, hash: undefined }), 'not-active'],
    ['it has no size', plain, shown({ imageBytes: undefined }), 'no-data'],
    ['it is empty', plain, shown({ imageBytes: 0 }), 'no-data'],
    ['it has no hash that we know', plain, shown({ hash: undefined }), 'no-hash'],
    ['it is small', plain, shown({ imageBytes: 99 }), 'small'],
    ['the request has a body', { ...plain, hasBody: true }, shown(), 'has-body'],
    ['the range is spelled the old way', { ...plain, hasContentRange: true }, shown(), 'content-range'],
    ['there are two ranges', { ...plain, range: 'bytes=0-1,3-4' }, shown(), 'odd-range'],
    ['the range is behind the end', { ...plain, range: 'bytes=1000-' }, shown(), 'odd-range'],
  ] as const)('leaves it to Glance where %s', (_, request, what, reason) => {
    expect(decideRead(request, what, 100)).toEqual({ kind: 'pass', reason });
  });
});

describe('decideByProbe', () => {
  it('takes 416 alone for a yes', () => {
    expect(decideByProbe(416)).toEqual({ kind: 'allowed' });
    for (const status of [401, 403, 404]) expect(decideByProbe(status)).toEqual({ kind: 'refused' });
    for (const status of [200, 204, 206, 300, 400, 410, 500, 503]) expect(decideByProbe(status).kind).toBe('pass');
  });
});

describe('findRange', () => {
  it.each([
    ['bytes=0-99', 0, 100],
    ['bytes=900-', 900, 100],
    ['bytes=900-5000', 900, 100],
    ['bytes=-100', 900, 100],
    ['bytes=-5000', 0, 1000],
    ['bytes=999-999', 999, 1],
  ])('%s of 1000 bytes is %i and %i more', (header, offset, length) => {
    expect(findRange(header, 1000)).toEqual({ offset, length, isWhole: false });
  });

  it.each([
    'bytes=5-4',
    'bytes=1000-',
    'bytes=-0',
    'bytes=-',
    'bytes=',
    'lines=0-1',
    'bytes = 0-1',
    'bytes=0-1,2-3',
    '',
  ])('%j is for Glance to judge', (header) => {
    expect(findRange(header, 1000)).toBeUndefined();
  });

  it('never leaves the image', () => {
    const number = fc.oneof(fc.nat(2000).map(String), fc.constant(''), fc.bigInt({ min: 0n }).map(String));
    fc.assert(
      fc.property(number, number, fc.integer({ min: 1, max: 1500 }), (first, last, imageBytes) => {
        const range = findRange(`bytes=${first}-${last}`, imageBytes);
        if (!range) return;
        expect(range.length).toBeGreaterThan(0);
        expect(range.offset).toBeGreaterThanOrEqual(0);
        expect(range.offset + range.length).toBeLessThanOrEqual(imageBytes);
      }),
    );
  });
});

describe('servedHead', () => {
  const headOf = (range: string | undefined, checksum = record.checksum): ReturnType<typeof servedHead> => {
    const step = decideRead({ ...plain, range }, shown({ checksum }), 1);
    if (step.kind !== 'probe') throw new Error('not served');
    return servedHead(step, { requestId: 'req-1', date: new Date(0) });
  };

  it('is what Glance sends with a whole image', () => {
    expect(headOf(undefined)).toEqual({
      status: 200,
      message: 'OK',
      headers: [
        ['Content-Type', 'application/octet-stream'],
        ['Content-Md5', record.checksum],
        ['Content-Length', '1000'],
        ['X-Openstack-Request-Id', 'req-1'],
        ['Date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
      ].flat(),
    });
  });

  it('names the range, and the MD5 of the whole image, with a part', () => {
    expect(headOf('bytes=10-19')).toMatchObject({
      status: 206,
      headers: [
        ['Content-Type', 'application/octet-stream'],
        ['Content-Range', 'bytes 10-19/1000'],
        ['Content-Md5', record.checksum],
        ['Content-Length', '10'],
        ['X-Openstack-Request-Id', 'req-1'],
        ['Date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
      ].flat(),
    });
  });
});
