import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageRef } from '@quarry/content';
import { systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGlanceOrigin } from '../src/index.ts';
import { glanceId, glanceRecord } from './support/glance-like.ts';

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const ID = glanceId(1);
describe.skipIf(!hasOpenssl())('a Glance behind TLS (needs openssl)', () => {
  let directory: string;
  let ca: string;
  let server: https.Server;
  let url: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'quarry-tls-'));
    const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
    const kind = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
    ];
    const name = ['-subj', '/CN=glance', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...kind, ...name], { stdio: 'ignore' });
    ca = readFileSync(certificate, 'utf8');
    server = https.createServer({ key: readFileSync(key), cert: ca }, (_, response) =>
      response.end(JSON.stringify(glanceRecord(ID, Buffer.from('bytes')))),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  });

  test('Glance behind a certificate is asked by whom its authority is named to, and by nobody else', async () => {
    const ask = async (authorities: string | undefined): Promise<unknown> => {
      const origin = createGlanceOrigin({ clock: systemClock }, { url, ca: authorities });
      try {
        return await origin.describe(imageRef(ID));
      } finally {
        await origin.close();
      }
    };
    expect(await ask(ca)).toMatchObject({ ref: ID, imageBytes: 5 });
    await expect(ask(undefined)).rejects.toMatchObject({ code: 'ORIGIN_UNAVAILABLE' });
  });
});
