// The façade before a real Glance with a real Keystone: whatever is asked, its answer is Glance's own to the byte, whether Quarry
// serves the data or passes it on.
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { patternBytes } from '../../packages/gateway/test/support/glance-images.ts';
import { openBytes } from '../../packages/gateway/test/support/memory-images.ts';
import { askRaw, startGateway, type TestGateway } from '../../packages/gateway/test/support/start-gateway.ts';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import { startCloud, type Cloud } from '../openstack/start-cloud.ts';

const bytes = patternBytes(300_001);

describeWithOpenStack('the gateway before a real Glance', () => {
  let dir: string;
  let cloud: Cloud;
  let gateway: TestGateway;
  /** `active` belongs to alice. */
  let ids: Readonly<Record<'active' | 'queued' | 'deactivated' | 'lost', string>>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-gateway-'));
    cloud = await startCloud({ dir });
    const alice = cloud.as(cloud.alice);
    const make = async (more: object = { bytes }): Promise<string> =>
      (await alice.createImage({ name: 'granite', diskFormat: 'raw', more: { visibility: 'private' }, ...more })).id;
    ids = { active: await make(), queued: await make({}), deactivated: await make(), lost: await make() };
    await alice.deactivate(ids.deactivated);
    await rm(join(cloud.glance.imagesDir, ids.lost));
    gateway = await startGateway(cloud.glance.url);
  });

  afterAll(async () => {
    await gateway?.close();
    await cloud?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  afterEach(() => {
    gateway.images.onOpen = async () => undefined;
  });

  const glancePort = (): number => Number(new URL(cloud.glance.url).port);

  /** The same bytes to both; what came back, without what is never the same twice. */
  async function askBoth(request: string): Promise<{ readonly glance: string; readonly quarry: string }> {
    const text = `${request}\r\nHost: glance.example:9292\r\nUser-Agent: python-glanceclient\r\nAccept-Encoding: gzip, deflate\r\nConnection: close\r\n`;
    const ask = async (port: number): Promise<string> => {
      const answer = (await askRaw(port, `${text}\r\n`))
        .replaceAll(/req-[0-9a-f-]{36}/g, 'req-ID')
        .replaceAll(/^Date: .*$/gm, 'Date: NOW');
      const end = answer.indexOf('\r\n\r\n') + 4;
      const body = Buffer.from(answer.slice(end), 'latin1');
      return (
        answer.slice(0, end) + (body.length < 4_000 ? body.toString() : createHash('sha256').update(body).digest('hex'))
      );
    };
    return { glance: await ask(glancePort()), quarry: await ask(gateway.port) };
  }

  const requests = (): Readonly<Record<string, string>> => {
    const token = `X-Auth-Token: ${cloud.alice.token}`;
    const file = `GET /v2/images/${ids.active}/file HTTP/1.1\r\n${token}`;
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${token}`;
    return {
      'the versions': 'GET / HTTP/1.1',
      'the versions by name': 'GET /versions HTTP/1.1',
      'what is redirected': get('/v2'),
      'the health check': 'GET /healthcheck HTTP/1.1',
      'a path that is none': get('/v2/'),
      'the record of an image': get(`/v2/images/${ids.active}`),
      'a list': get('/v2/images?limit=2&sort_key=name'),
      'a schema': get('/v2/schemas/image'),
      'an image that is none': get(`/v2/images/${randomUUID()}`),
      'the data of an image that is none': get(`/v2/images/${randomUUID()}/file`),
      'the data of a name that is no id': get('/v2/images/foo/file'),
      'an id in upper case': get(`/v2/images/${ids.active.toUpperCase()}/file`),
      'the data': file,
      'the data, with stores to prefer': get(`/v2/images/${ids.active}/file?prefer=file`),
      'the data without a token': `GET /v2/images/${ids.active}/file HTTP/1.1`,
      'the data with a bad token': `GET /v2/images/${ids.active}/file HTTP/1.1\r\nX-Auth-Token: nonsense`,
      'the data of another project': `GET /v2/images/${ids.active}/file HTTP/1.1\r\nX-Auth-Token: ${cloud.bob.token}`,
      'the data for an administrator': `GET /v2/images/${ids.active}/file HTTP/1.1\r\nX-Auth-Token: ${cloud.nova.token}`,
      'a record and the first bytes over one connection': `GET /v2/images/${ids.active} HTTP/1.1\r\nHost: glance.example:9292\r\n${token}\r\nConnection: keep-alive\r\n\r\n${file}\r\nRange: bytes=0-99`,
      'the first bytes over a connection that stays open': `${file}\r\nHost: glance.example:9292\r\nRange: bytes=0-99\r\nConnection: keep-alive\r\n\r\n${get('/versions')}`,
      'the first bytes': `${file}\r\nRange: bytes=0-99`,
      'bytes from the middle': `${file}\r\nRange: bytes=1000-200000`,
      'bytes to the end': `${file}\r\nRange: bytes=299000-`,
      'bytes to beyond the end': `${file}\r\nRange: bytes=299000-999999`,
      'the last bytes': `${file}\r\nRange: bytes=-77`,
      'more last bytes than there are': `${file}\r\nRange: bytes=-999999`,
      'all bytes as a range': `${file}\r\nRange: bytes=0-300000`,
      'a range behind the end': `${file}\r\nRange: bytes=300001-`,
      'a range the wrong way round': `${file}\r\nRange: bytes=9-5`,
      'no last bytes': `${file}\r\nRange: bytes=-0`,
      'a range of another unit': `${file}\r\nRange: lines=0-5`,
      'two ranges': `${file}\r\nRange: bytes=0-5,10-15`,
      'a range with blanks': `${file}\r\nRange: bytes = 0 - 5`,
      'the old spelling of a range': `${file}\r\nContent-Range: bytes 0-9/*`,
      'the head of the data': `HEAD /v2/images/${ids.active}/file HTTP/1.1\r\n${token}`,
      'the head of a record': `HEAD /v2/images/${ids.active} HTTP/1.1\r\n${token}`,
      'a method that is none there': `DELETE /v2/images/${ids.active}/file HTTP/1.1\r\n${token}`,
      'an error as JSON': `GET /v2/images/foo HTTP/1.1\r\n${token}\r\nAccept: application/json`,
      'an image without data': get(`/v2/images/${ids.queued}/file`),
      'an image whose data is lost': get(`/v2/images/${ids.lost}/file`),
      'a deactivated image, for its owner': get(`/v2/images/${ids.deactivated}/file`),
      'a deactivated image, for an administrator': `GET /v2/images/${ids.deactivated}/file HTTP/1.1\r\nX-Auth-Token: ${cloud.nova.token}`,
    };
  };

  test('every answer that is passed on is the one that Glance gives', async () => {
    for (const [what, request] of Object.entries(requests())) {
      const { glance, quarry } = await askBoth(request);
      expect({ what, answer: quarry }).toEqual({ what, answer: glance });
    }
  });

  test('what Quarry serves itself cannot be told from what Glance sends', async () => {
    gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
    gateway.served.length = 0;
    for (const [what, request] of Object.entries(requests())) {
      // Glance answers 204 there. Quarry need not: it has what Glance has lost.
      if (what === 'an image whose data is lost') continue;
      const { glance, quarry } = await askBoth(request);
      expect({ what, answer: quarry }).toEqual({ what, answer: glance });
    }
    const own = gateway.served.filter(({ served }) => served === 'quarry');
    expect(own.length).toBe(12); // the rest is Glance's to answer
    expect(gateway.served.filter(({ served }) => served === 'cut')).toEqual([]);
  });

  test('no token gets into the log or the audit', () => {
    const told = JSON.stringify([gateway.log, gateway.served]);
    for (const { token } of [cloud.alice, cloud.bob, cloud.nova]) expect(told).not.toContain(token);
  });

  test('where the store has lost the end of an image, the download is cut, and not padded', async () => {
    const alice = cloud.as(cloud.alice);
    const { id } = await alice.createImage({ name: 'cut', diskFormat: 'raw', bytes });
    await truncate(join(cloud.glance.imagesDir, id), 100_000);
    const impatient = await startGateway(cloud.glance.url, { stallMs: 300, switchMs: 100, retryMs: 50 });
    try {
      const answer = await askRaw(
        impatient.port,
        `GET /v2/images/${id}/file HTTP/1.1\r\nHost: g\r\nX-Auth-Token: ${cloud.alice.token}\r\n\r\n`,
      );
      const body = Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1');
      expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
      expect(answer).toContain(`Content-Length: ${bytes.length}\r\n`);
      expect(body.equals(bytes.subarray(0, 100_000))).toBe(true);
      expect(impatient.served).toMatchObject([{ served: 'cut', sentBytes: 100_000 }]);
      expect(impatient.images.taken).toMatchObject([{ outcome: 'nothing' }]);
    } finally {
      await impatient.close();
    }
  });
});
