import { createHash } from 'node:crypto';
import { reply, type WireRequest } from './scripted-glance.ts';

/** What one image is; whoever asks with a token that is none of `readers` sees nothing. */
export interface GlanceImageFixture {
  readonly bytes: Buffer;
  readonly record: Record<string, unknown>;
}

export const ID = '7f2f0b1c-5d41-4f5c-9a51-0d9a6a9d1b2e';

export function imageFixture(bytes: Buffer, record: Record<string, unknown> = {}): GlanceImageFixture {
  return {
    bytes,
    record: {
      id: ID,
      name: 'vm-shelved',
      status: 'active',
      size: bytes.length,
      disk_format: 'raw',
      container_format: 'bare',
      visibility: 'private',
      owner: '0123456789abcdef0123456789abcdef',
      checksum: createHash('md5').update(bytes).digest('hex'),
      os_hash_algo: 'sha512',
      os_hash_value: createHash('sha512').update(bytes).digest('hex'),
      instance_uuid: '11111111-2222-3333-4444-555555555555',
      base_image_ref: '99999999-8888-7777-6666-555555555555',
      ...record,
    },
  };
}

/** Bytes that are nowhere the same. */
export function patternBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761 + seed) >>> 0, at);
  return bytes;
}

let requests = 0;

/** Answers as Glance 25.1 does for one image: what the reference tells of its wire, and nothing else. */
export function answerAsGlance(
  image: GlanceImageFixture,
  { hasRanges = true }: { readonly hasRanges?: boolean } = {},
): (request: WireRequest) => void {
  return (request) => {
    const id: [string, string] = ['X-Openstack-Request-Id', `req-${(requests += 1)}`];
    const refuse = (status: string, text: string): void =>
      reply(request, status, [['Content-Type', 'text/html; charset=UTF-8'], id], `<html>${text}</html>`);
    const path = request.target.split('?')[0];
    if (path === `/v2/images/${ID}`) {
      return reply(request, '200 OK', [['Content-Type', 'application/json'], id], JSON.stringify(image.record));
    }
    if (path !== `/v2/images/${ID}/file`) return refuse('404 Not Found', 'No image found');
    const { bytes } = image;
    const md5: [string, string] = ['Content-Md5', String(image.record['checksum'])];
    const type: [string, string] = ['Content-Type', 'application/octet-stream'];
    const { range } = request.headers;
    if (range === undefined) return reply(request, '200 OK', [type, md5, id], bytes);
    if (range.includes(',')) return refuse('400 Bad Request', 'Requests with multiple ranges are not supported');
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
    if (first === undefined || Number(first) >= bytes.length) return refuse('416 Range Not Satisfiable', 'Range');
    if (!hasRanges) return refuse('400 Bad Request', 'the store has no ranges');
    const end = last === '' ? bytes.length : Math.min(Number(last) + 1, bytes.length);
    const of: [string, string] = ['Content-Range', `bytes ${first}-${end - 1}/${bytes.length}`];
    return reply(request, '206 Partial Content', [type, of, md5, id], bytes.subarray(Number(first), end));
  };
}

export function isFileRequest({ target, headers }: WireRequest, imageBytes: number): boolean {
  return target.endsWith('/file') && headers['range'] !== `bytes=${imageBytes}-`;
}
