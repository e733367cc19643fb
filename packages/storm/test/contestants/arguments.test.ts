import { expect, it } from 'vitest';
import { leechWords, seedWords } from '../../src/contestants/aria2.ts';
import { contestantNames } from '../../src/contestants/contestant-names.ts';
import { contestantOf } from '../../src/contestants/contestant-of.ts';
import { fetchCommand, uploadCommand } from '../../src/contestants/glance-requests.ts';
import { cacheConfig } from '../../src/contestants/rack-cache.ts';
import { shareConfig } from '../../src/contestants/shared-file.ts';
import { pieceBytesOf } from '../../src/contestants/torrent-attempt.ts';

it('has a contestant of every name that can be asked for, and no other', () => {
  expect(contestantNames.map((name) => contestantOf(name).name)).toEqual(contestantNames);
  expect(() => contestantOf('carrier-pigeon')).toThrow('there are quarry, aria2');
});

it('has aria2 put one image where the host wants it, tell when it is whole, and seed on', () => {
  const options = { port: 7, file: '/d/r/3', torrent: '/d/0.torrent', hook: '/d/hook', linkBytesPerSecond: 2.5e6 };
  const words = leechWords(options);
  expect(words).toContain('--dir=/d/r');
  expect(words).toContain('--index-out=1=3');
  expect(words).toContain('--on-bt-download-complete=/d/hook');
  expect(words).toContain('--seed-ratio=0.0');
  expect(words).toContain('--bt-request-peer-speed-limit=2500000');
  expect(words.some((word) => word.startsWith('--seed-time'))).toBe(false);
  expect(words.at(-1)).toBe('/d/0.torrent');
});

it('has one aria2 seed all images of a storm at once', () => {
  const words = seedWords({ port: 6881, directory: '/images', torrents: ['/d/0.torrent', '/d/1.torrent'] });
  expect(words).toContain('--max-concurrent-downloads=2');
  expect(words).toContain('--force-sequential=true');
  expect(words.slice(-2)).toEqual(['/d/0.torrent', '/d/1.torrent']);
});

it('divides an image into 512 pieces or more, of 64 KiB at least and 1 MiB at most', () => {
  const [kib, mib] = [2 ** 10, 2 ** 20];
  const sizes = [5, 2 * mib, 32 * mib, 64 * mib - 1, 64 * mib, 200 * mib, 1024 * mib];
  expect(sizes.map((size) => pieceBytesOf(size) / kib)).toEqual([64, 64, 64, 64, 128, 256, 1024]);
});

it('asks Glance, or a cache, for the record and for the data, with the caller’s token, and fails on an error', () => {
  const words = fetchCommand('http://10.0.0.1:9292', { id: 'i', token: 't', file: '/f' });
  const requests = words
    .join('\n')
    .split('--next')
    .map((request) => request.trim().split('\n'));
  for (const request of requests) {
    expect(request).toContain('X-Auth-Token: t');
    expect(request).toContain('--fail');
    expect(request).toContain('--retry');
  }
  expect(requests[0]?.at(-1)).toBe('http://10.0.0.1:9292/v2/images/i');
  expect(requests.filter((request) => request.includes('/f')).map((request) => request.at(-1))).toEqual([
    'http://10.0.0.1:9292/v2/images/i/file',
  ]);
  expect(uploadCommand('http://g', { id: 'i', token: 't', file: '/f' })).toContain('Transfer-Encoding: chunked');
});

it('has a rack’s cache fetch each slice once, however long that takes, and pass on all else', () => {
  const config = cacheConfig({ directory: '/d', listen: '10.0.0.2:8080', upstream: 'http://10.0.0.1:9292' });
  expect(config).toContain('listen 10.0.0.2:8080;');
  expect(config).toContain('server 10.0.0.1:9292;');
  expect(config).toContain('proxy_cache_key $uri$slice_range;');
  expect(config).toContain('proxy_cache_lock_timeout 1h;');
  expect(config.match(/proxy_cache images/g)).toHaveLength(1);
});

it('shares the store read-only, over a version of NFS that needs no port mapper', () => {
  const config = shareConfig({ directory: '/d', address: '10.0.0.1', path: '/store' });
  expect(config).toContain('Path = /store;');
  expect(config).toContain('Access_Type = RO;');
  expect(config).toContain('Protocols = 4;');
  expect(config).toContain('Bind_addr = 10.0.0.1;');
});
