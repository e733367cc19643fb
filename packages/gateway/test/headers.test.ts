import { describe, expect, it } from 'vitest';
import { endToEndHeaders, findHeader } from '../src/headers.ts';

describe('endToEndHeaders', () => {
  it('keeps order, case and repetition', () => {
    const raw = ['X-b', '1', 'x-A', '2', 'X-B', '3', 'Set-Cookie', 'a', 'Set-Cookie', 'b'];
    expect(endToEndHeaders(raw)).toEqual(raw);
  });

  it('leaves out what belongs to the connection, and what its Connection header names', () => {
    const raw = ['Host', 'g', 'Connection', 'keep-alive, X-Hop', 'x-hop', '1', 'Keep-Alive', 't', 'TE', 'trailers'];
    const more = ['Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'Proxy-Connection', 'close', 'Trailer', 'x'];
    expect(endToEndHeaders([...raw, ...more])).toEqual(['Host', 'g']);
  });

  it('keeps the length and the host, whatever a Connection header says of them', () => {
    const raw = ['Connection', 'content-length, host', 'Content-Length', '5', 'Host', 'g'];
    expect(endToEndHeaders(raw)).toEqual(['Content-Length', '5', 'Host', 'g']);
  });

  it('leaves out what it is told to', () => {
    expect(endToEndHeaders(['Range', 'bytes=0-', 'Accept', '*/*'], ['range'])).toEqual(['Accept', '*/*']);
  });
});

describe('findHeader', () => {
  it('finds the first of a name in any case', () => {
    expect(findHeader(['X-A', '1', 'x-a', '2'], 'x-a')).toBe('1');
    expect(findHeader(['X-A', '1'], 'x-b')).toBeUndefined();
  });
});
