import type { IncomingMessage, ServerResponse } from 'node:http';
import { digestOf, serveBytes } from './serve-bytes.ts';

/** An id as Glance makes them, by number. */
export function glanceId(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** What Glance 25.1 says of an active image. */
export function glanceRecord(id: string, bytes: Uint8Array): Record<string, unknown> {
  return {
    id,
    name: 'vm-shelved',
    status: 'active',
    size: bytes.length,
    disk_format: 'qcow2',
    container_format: 'bare',
    checksum: digestOf('md5', bytes),
    os_hash_algo: 'sha512',
    os_hash_value: digestOf('sha512', bytes),
    created_at: '2026-11-22T07:18:35Z',
  };
}

export interface GlanceLike {
  readonly images: Map<string, Uint8Array>;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * Answers as Glance does, for what a real one cannot be brought to do here: stores without ranges, which answer 400. Everything that a
 * real one can do is tested on a real one.
 */
export function createGlanceLike({ hasRanges = true }: { readonly hasRanges?: boolean } = {}): GlanceLike {
  const images = new Map<string, Uint8Array>();
  return {
    images,
    answer(request, response) {
      const [, id = '', isFile] = /^\/v2\/images\/([^/?]+)(\/file)?$/.exec(request.url ?? '') ?? [];
      if (request.url?.startsWith('/v2/images?')) {
        const records = [...images].map(([each, bytes]) => glanceRecord(each, bytes));
        return void response.end(JSON.stringify({ images: records, first: '/v2/images' }));
      }
      const bytes = images.get(id);
      if (!bytes) return void response.writeHead(404).end();
      if (isFile === undefined) return void response.end(JSON.stringify(glanceRecord(id, bytes)));
      if (!hasRanges && request.headers.range !== undefined) return void response.writeHead(400).end();
      const headers = { 'content-md5': digestOf('md5', bytes) };
      serveBytes(request, response, bytes, { headers });
    },
  };
}
