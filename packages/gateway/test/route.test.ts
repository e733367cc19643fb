import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { route } from '../src/route.ts';

const ID = '7f2f0b1c-5d41-4f5c-9a51-0d9a6a9d1b2e';

describe('route', () => {
  it.each([
    ['GET', `/v2/images/${ID}`, 'show'],
    ['GET', `/v2/images/${ID}/file`, 'file-get'],
    ['GET', `/v2/images/${ID}/file?prefer=ceph,file`, 'file-get'],
    ['PUT', `/v2/images/${ID}/file`, 'file-put'],
    ['DELETE', `/v2/images/${ID}`, 'delete'],
  ])('%s %s is %s', (method, target, kind) => {
    expect(route(method, target)).toEqual({ kind, image: ID });
  });

  it('keeps the case of an id, as Glance does', () => {
    expect(route('GET', `/v2/images/${ID.toUpperCase()}`)).toEqual({ kind: 'show', image: ID.toUpperCase() });
  });

  it.each([
    ['HEAD', `/v2/images/${ID}/file`],
    ['DELETE', `/v2/images/${ID}/file`],
    ['PUT', `/v2/images/${ID}`],
    ['PATCH', `/v2/images/${ID}`],
    ['get', `/v2/images/${ID}`],
    ['GET', '/v2/images'],
    ['GET', '/v2/images/foo/file'],
    ['GET', `/v2/images/${ID}/`],
    ['GET', `/v2/images/${ID}/file/`],
    ['GET', `/v2/images//${ID}`],
    ['GET', `//v2/images/${ID}`],
    ['GET', `/v2/images/${ID}%2Ffile`],
    ['GET', `/v2/images/../images/${ID}`],
    ['GET', `/v2/images/${ID}#file`],
    ['GET', `/v2/images/${ID}/file\n`],
    ['GET', `/v1/images/${ID}`],
    ['GET', `http://glance/v2/images/${ID}`],
    ['OPTIONS', '*'],
  ])('%s %j is for Glance alone', (method, target) => {
    expect(route(method, target)).toEqual({ kind: 'other' });
  });

  it('never throws, and takes nothing but the plain spelling of the five', () => {
    const part = fc.oneof(
      fc.constantFrom('/v2/images/', ID, '/file', '?', '?prefer=x', '%2e', '..', '//', '#', 'FILE', ID.toUpperCase()),
      fc.string(),
    );
    const target = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
    const method = fc.oneof(fc.constantFrom('GET', 'PUT', 'DELETE', 'POST', 'HEAD'), fc.string());
    fc.assert(
      fc.property(method, target, (verb, text) => {
        const { kind, image } = route(verb, text);
        if (kind === 'other') return;
        const path = text.split('?')[0];
        const hasFile = kind === 'file-get' || kind === 'file-put';
        expect(path).toBe(`/v2/images/${image}${hasFile ? '/file' : ''}`);
        expect(verb).toBe({ show: 'GET', 'file-get': 'GET', 'file-put': 'PUT', delete: 'DELETE' }[kind]);
      }),
    );
  });
});
