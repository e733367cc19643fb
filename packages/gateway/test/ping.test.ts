import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVirtualClock, silentLogger, systemRandom } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGateway } from '../src/create-gateway.ts';
import type { Gateway } from '../src/create-gateway.ts';
import type { ImageService } from '../src/ports/image-service.ts';
import type { GatewayObserver } from '../src/ports/observer.ts';

const nobody = (): never => {
  throw new Error('nobody asked for an image');
};
const images: ImageService = { open: nobody, take: nobody, forget: nobody, openOriginRead: nobody };
const observer: GatewayObserver = { answered: () => {}, served: nobody, uploaded: nobody };

let glance: http.Server;
let asked: string[];
let gateway: Gateway;
let port: number;
beforeEach(async () => {
  asked = [];
  glance = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(405, { 'content-type': 'text/plain' }).end();
  });
  await once(glance.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(glance.address() as AddressInfo).port}`;
  const deps = { images, observer, clock: createVirtualClock(), random: systemRandom, logger: silentLogger };
  gateway = createGateway(deps, { glance: { url } });
  ({ port } = await gateway.listen({ host: '127.0.0.1', port: 0 }));
});
afterEach(async () => {
  await gateway.close({ graceMs: 0 });
  glance.close();
  glance.closeAllConnections();
});

function statusOf(headers: Record<string, string>, path = '*'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method: 'OPTIONS', path, headers };
    http
      .request(options, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      .on('error', reject)
      .end();
  });
}

describe('a question that may not be passed on', () => {
  test('is answered by the gateway itself, and Glance hears nothing of it', async () => {
    expect(await statusOf({ 'Max-Forwards': '0' })).toBe(200);
    expect(await statusOf({ 'Max-Forwards': '0' }, '/v2/images')).toBe(200);
    expect(asked).toEqual([]);
  });

  test('is Glance’s to answer where it may be', async () => {
    expect(await statusOf({}, '/v2/images')).toBe(405);
    expect(await statusOf({ 'Max-Forwards': '1' }, '/v2/images')).toBe(405);
    expect(asked).toEqual(['OPTIONS /v2/images', 'OPTIONS /v2/images']);
  });

  test('is answered while Glance is silent', async () => {
    glance.removeAllListeners('request');
    const waiting = statusOf({}, '/v2/images').catch(() => undefined);
    expect(await statusOf({ 'Max-Forwards': '0' })).toBe(200);
    glance.closeAllConnections();
    await waiting;
  });
});
