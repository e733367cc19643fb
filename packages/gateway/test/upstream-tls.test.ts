import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createUpstream, type Upstream, type UpstreamOptions } from '../src/index.ts';

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasOpenssl())('a Glance behind TLS (needs openssl)', () => {
  let dir: string;
  let server: https.Server;
  let port: number;
  const tokens: (string | undefined)[] = [];
  const certificate = (): string => join(dir, 'certificate.pem');

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'quarry-tls-'));
    const key = join(dir, 'key.pem');
    const made = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate(),
    ];
    const named = ['-subj', '/CN=glance', '-addext', 'subjectAltName=DNS:localhost'];
    execFileSync('openssl', ['req', '-x509', '-days', '2', ...made, ...named], { stdio: 'ignore' });
    server = https.createServer({ key: readFileSync(key), cert: readFileSync(certificate()) }, (request, response) => {
      tokens.push(request.headers['x-auth-token'] as string | undefined);
      response.end('ok');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });

  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function ask(options: UpstreamOptions): Promise<number> {
    const upstream: Upstream = createUpstream({ clock: systemClock }, options);
    try {
      const answer = await upstream.request({
        method: 'GET',
        path: '/v2/images',
        rawHeaders: ['Host', 'some.where.else:9292', 'X-Auth-Token', 'secret'],
        signal: new AbortController().signal,
      });
      answer.body.resume();
      await once(answer.body, 'end');
      return answer.status;
    } finally {
      upstream.close();
    }
  }

  it('is spoken to where the authority is known, whatever host the client names', async () => {
    expect(await ask({ url: `https://localhost:${port}`, caFile: certificate() })).toBe(200);
    expect(tokens.splice(0)).toEqual(['secret']);
  });

  it('hears no token where nobody vouches for it', async () => {
    await expect(ask({ url: `https://localhost:${port}` })).rejects.toMatchObject({
      code: 'GATEWAY_GLANCE_UNREACHABLE',
    });
    expect(tokens).toEqual([]);
  });

  it('hears no token where its name is another', async () => {
    await expect(ask({ url: `https://127.0.0.1:${port}`, caFile: certificate() })).rejects.toMatchObject({
      code: 'GATEWAY_GLANCE_UNREACHABLE',
    });
    expect(tokens).toEqual([]);
  });
});

describe('the URL of Glance', () => {
  it.each([
    ['glance:9292', 'http'],
    ['no url', 'no URL'],
    ['ftp://glance', 'http'],
    ['http://user:secret@glance', 'no user'],
    ['http://glance/?a=b', 'no query'],
  ])('is refused where it is %s', (url, why) => {
    let error: unknown;
    try {
      createUpstream({ clock: systemClock }, { url });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'GATEWAY_BAD_ADDRESS' });
    expect(String(error)).toContain(why);
    expect(String(error)).not.toContain('secret');
  });

  it('is refused where its authorities cannot be read', () => {
    const options = { url: 'https://glance', caFile: '/nowhere/ca.pem' };
    expect(() => createUpstream({ clock: systemClock }, options)).toThrow(
      expect.objectContaining({ code: 'GATEWAY_BAD_ADDRESS' }),
    );
  });
});
