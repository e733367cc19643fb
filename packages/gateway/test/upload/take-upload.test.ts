import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { takes } from './support/upload-glance.ts';
import { blocks, startUploadGateway, type UploadGateway } from './support/upload-gateway.ts';

const MIB = 2 ** 20;

let running: UploadGateway;

async function open(options: Parameters<typeof startUploadGateway>[0] = {}): Promise<UploadGateway> {
  running = await startUploadGateway(options);
  return running;
}

afterEach(() => running.close());

describe('an upload', () => {
  test('goes to Glance and, once Glance shows the same hash, into the chunks of this host', async () => {
    const { glance, images, uploaded, put } = await open();
    const base = '9a4d0f8e-0d53-4a86-8d1e-6a1f4a2f9b77';
    const { id } = glance.add({ base_image_ref: base, instance_uuid: 'i-1' });
    const answer = await put(id, 5 * MIB + 7, { 'X-Auth-Token': 'secret', 'x-openstack-image-size': '77' });
    expect([answer.status, answer.headers['x-openstack-request-id']]).toEqual([204, 'req-glance']);
    const whole = Buffer.concat([...blocks(5 * MIB + 7)]);
    expect(glance.data.get(id)?.equals(whole)).toBe(true);
    // Published when Nova has its answer: the image may be fetched elsewhere at once.
    expect(images.published.get(id)?.bytes.equals(whole)).toBe(true);
    expect(images.published.get(id)?.image).toMatchObject({
      domain: 'project:project-1',
      baseImage: base,
      instance: 'i-1',
    });
    expect(await uploaded()).toMatchObject({ image: id, status: 204, seeded: 'seeded', receivedBytes: whole.length });
    const [before, sent, after] = glance.requests;
    expect([before?.line, sent?.line, after?.line]).toEqual([
      `GET /v2/images/${id}`,
      `PUT /v2/images/${id}/file`,
      `GET /v2/images/${id}`,
    ]);
    expect(sent?.headers).toMatchObject({
      'transfer-encoding': 'chunked',
      expect: '100-continue',
      'x-openstack-image-size': '77',
      'content-type': 'application/octet-stream',
    });
    for (const one of glance.requests) expect(one.headers['x-auth-token']).toBe('secret');
  });

  test('with a length is sent with that length', async () => {
    const { glance, images, url } = await open();
    const { id } = glance.add();
    const request = http.request(`${url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'Content-Length': 70_000 },
    });
    request.end(Buffer.alloc(70_000, 5));
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(204);
    expect(glance.requests[1]?.headers).toMatchObject({ 'content-length': '70000' });
    expect(images.published.get(id)?.bytes.length).toBe(70_000);
  });

  test('that Nova aborts leaves nothing, and Glance sees that it broke off', async () => {
    const { glance, images, url, uploaded } = await open();
    const record = glance.add();
    const { id } = record;
    const brokenOff = new Promise<unknown>((resolve) => {
      glance.puts = [(scene) => scene.take().catch(resolve)];
    });
    const request = http.request(`${url}/v2/images/${id}/file`, { method: 'PUT' });
    request.on('error', () => {});
    request.write(Buffer.alloc(3 * MIB));
    while (images.begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
    request.destroy();
    expect(await brokenOff).toBeInstanceOf(Error);
    expect(await uploaded()).toMatchObject({ seeded: 'not-seeded', reason: 'GATEWAY_CLIENT_GONE' });
    expect([record.status, images.published.size, images.taking]).toEqual(['queued', 0, 0]);
  });

  test.for([401, 403, 404, 409, 415] as const)(
    'that Glance refuses on its headers with %i ends so, with nothing read',
    async (status) => {
      const { glance, images, uploaded, put } = await open();
      const { id } = glance.add();
      glance.puts = [
        (scene) => {
          scene.request.resume();
          scene.answer(status);
        },
      ];
      // Large enough that it would not fit into the sockets: the client is heard out all the same.
      const answer = await put(id, 16 * MIB);
      expect([answer.status, answer.body, answer.headers['content-type']]).toEqual([
        status,
        `<html>${status}</html>`,
        'text/html; charset=UTF-8',
      ]);
      expect(await uploaded()).toMatchObject({ status, seeded: 'not-seeded' });
      expect([images.published.size, images.taking]).toEqual([0, 0]);
    },
  );

  test.for([
    ['503', 503, {}],
    ['401 to one who has a service token', 401, { 'X-Service-Token': 'secret' }],
    ['a redirect', 307, {}],
  ] as const)(
    'that Glance refuses with %s, which would make Nova send its file again, ends with 502',
    async ([, status, headers]) => {
      const { glance, put } = await open();
      const { id } = glance.add();
      glance.puts = [(scene) => scene.answer(status)];
      const answer = await put(id, 4 * MIB, headers);
      expect([answer.status, answer.headers['content-type']]).toEqual([502, 'text/plain; charset=UTF-8']);
      expect(answer.body).toContain(`${status}`);
      expect(answer.body).not.toContain('secret');
    },
  );

  test.for([
    ['410 after the body', 410, undefined],
    ['400 after the body', 400, undefined],
    ['413 in the middle', 413, 2 * MIB],
    ['500 in the middle', 500, 2 * MIB],
  ] as const)('that Glance refuses with %s ends so, and nothing remains', async ([, status, afterBytes]) => {
    const { glance, images, uploaded, put } = await open();
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.read(afterBytes);
        scene.answer(status);
        scene.request.resume(); // Glance's server throws the rest away
      },
    ];
    expect((await put(id, 24 * MIB)).status).toBe(status);
    expect(await uploaded()).toMatchObject({ status, seeded: 'not-seeded', reason: 'GATEWAY_NOT_TAKEN' });
    expect([images.published.size, images.taking]).toEqual([0, 0]);
  });

  test('that Glance refuses in the middle with 413, and does not read on, ends so', async () => {
    const { glance, put } = await open();
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.read(2 * MIB);
        scene.answer(413, { Connection: 'close' });
      },
    ];
    expect((await put(id, 64 * MIB)).status).toBe(413);
  });

  test('that Glance breaks off in the middle ends with 502, never with a reset', async () => {
    const { glance, images, uploaded, put } = await open();
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.read(2 * MIB);
        scene.reset();
      },
    ];
    const answer = await put(id, 24 * MIB);
    expect([answer.status, answer.headers['content-type']]).toEqual([502, 'text/plain; charset=UTF-8']);
    expect(await uploaded()).toMatchObject({ status: 502, reason: 'GATEWAY_GLANCE_UNREACHABLE' });
    expect(images.published.size).toBe(0);
  });

  test('that nobody can take, because Glance is down, ends with 502 and not with what Nova tries again on', async () => {
    const { glance, put } = await open();
    const { id } = glance.add();
    await glance.stop();
    expect((await put(id, 4 * MIB)).status).toBe(502);
  });

  test('that Glance does not go on reading ends with 504', async () => {
    const { glance, images, put } = await open({ stallMs: 200 });
    const { id } = glance.add();
    glance.puts = [(scene) => void scene.read(MIB)];
    expect((await put(id, 64 * MIB)).status).toBe(504);
    expect(images.published.size).toBe(0);
  });

  test('that Glance has and does not answer ends with 504', async () => {
    const { glance, uploaded, put } = await open({ uploadAnswerMs: 100 });
    const { id } = glance.add();
    glance.puts = [(scene) => void scene.read()];
    expect((await put(id, MIB)).status).toBe(504);
    expect(await uploaded()).toMatchObject({ reason: 'GATEWAY_STALLED' });
  });

  test('that Glance says it took before it had it all is no success', async () => {
    const { glance, images, put } = await open();
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.read(MIB);
        scene.answer(204);
      },
    ];
    expect((await put(id, 64 * MIB)).status).toBe(502);
    expect(images.published.size).toBe(0);
  });

  test('reaches a Glance that does not know 100-continue all the same', async () => {
    const { glance, images, put } = await open();
    const { id } = glance.add();
    glance.puts = [(scene) => scene.answer(417), takes];
    expect((await put(id, MIB)).status).toBe(204);
    expect(glance.requests.filter(({ line }) => line.startsWith('PUT')).map(({ headers }) => headers.expect)).toEqual([
      '100-continue',
      undefined,
    ]);
    expect(images.published.size).toBe(1);
  });

  test('reaches a Glance that never says 100 Continue', async () => {
    const { glance, put } = await open({ continueMs: 20 });
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        delete scene.request.headers.expect;
        await scene.take();
      },
    ];
    expect((await put(id, MIB)).status).toBe(204);
  });

  test('of an image that Glance does not show goes through, and is not seeded', async () => {
    const { glance, images, put } = await open();
    const { id } = glance.add();
    glance.onShow = (response) => {
      response.writeHead(403, { 'Content-Type': 'text/html' }).end();
      return true;
    };
    expect((await put(id, MIB)).status).toBe(204);
    expect([glance.data.get(id)?.length, images.begun.length]).toEqual([MIB, 0]);
  });

  test('goes through where Glance does not say in time what the image is', async () => {
    const { glance, images, put } = await open({ showMs: 50 });
    const { id } = glance.add();
    glance.onShow = () => true;
    expect((await put(id, MIB)).status).toBe(204);
    expect(images.begun).toEqual([]);
  });
});

describe('the ingest of an upload', () => {
  test.for([
    ['another hash', { os_hash_value: 'ab'.repeat(64) }],
    ['another size', { size: 1 }],
    ['another status', { status: 'deactivated' }],
    ['no hash', { os_hash_value: null }],
    ['another owner', { owner: 'project-2' }],
  ] as const)('is not published where Glance shows %s', async ([, fields]) => {
    const { glance, images, uploaded, put } = await open();
    const record = glance.add();
    glance.onShow = (response) => {
      const shown = record.status === 'queued' ? record : { ...record, ...fields };
      response.writeHead(200).end(JSON.stringify(shown));
      return true;
    };
    expect((await put(record.id, MIB)).status).toBe(204);
    expect(await uploaded()).toMatchObject({ seeded: 'not-seeded', reason: 'GATEWAY_NOT_TAKEN' });
    expect(images.published.size).toBe(0);
  });

  test('learns which hash Glance makes', async () => {
    const { glance, images, put } = await open();
    glance.puts = [
      async (scene) => {
        const body = await scene.read();
        const os_hash_value = createHash('sha256').update(body).digest('hex');
        Object.assign(scene.record, { status: 'active', size: body.length, os_hash_algo: 'sha256', os_hash_value });
        scene.answer(204);
      },
    ];
    const [first, second] = [glance.add(), glance.add()];
    await put(first.id, MIB);
    await put(second.id, MIB);
    expect([...images.published.keys()]).toEqual([second.id]);
  });

  test('that fails harms nobody', async () => {
    const { glance, images, uploaded, put } = await open();
    const { id } = glance.add();
    images.onBlock = (seenBytes) => {
      if (seenBytes > MIB) throw new Error('the disk is full');
    };
    expect((await put(id, 40 * MIB)).status).toBe(204);
    expect(glance.data.get(id)?.length).toBe(40 * MIB);
    expect(await uploaded()).toMatchObject({ status: 204, seeded: 'not-seeded' });
  });

  test('that hangs is left behind', async () => {
    const { glance, images, uploaded, put } = await open({ seedAheadBytes: MIB, seedGraceMs: 50, publishMs: 50 });
    const { id } = glance.add();
    let resume = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      resume = resolve;
    });
    images.onBlock = () => hanging;
    expect((await put(id, 40 * MIB)).status).toBe(204);
    expect(glance.data.get(id)?.length).toBe(40 * MIB);
    resume();
    expect(await uploaded()).toMatchObject({ status: 204, seeded: 'not-seeded' });
    expect(images.published.size).toBe(0);
  });

  test('that needs longer than the answer may wait is published after it', async () => {
    const { glance, images, uploaded, put } = await open({ publishMs: 20 });
    const { id } = glance.add();
    let resume = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      resume = resolve;
    });
    images.onBlock = () => hanging;
    expect((await put(id, MIB)).status).toBe(204);
    expect(images.published.size).toBe(0);
    resume();
    expect(await uploaded()).toMatchObject({ seeded: 'seeded' });
    expect(images.published.get(id)?.bytes.length).toBe(MIB);
  });
});

describe('a client that waits for 100 Continue', () => {
  function waiting(url: string, id: string): http.ClientRequest {
    const headers = { 'Content-Length': MIB, Expect: '100-continue' };
    const request = http.request(`${url}/v2/images/${id}/file`, { method: 'PUT', headers });
    request.on('continue', () => request.end(Buffer.alloc(MIB, 3)));
    return request;
  }

  test('is told to go on when Glance is', async () => {
    const { glance, url } = await open();
    const { id } = glance.add();
    const request = waiting(url, id);
    request.flushHeaders();
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    answer.resume();
    expect([answer.statusCode, glance.data.get(id)?.length]).toEqual([204, MIB]);
  });

  test.for([401, 503] as const)('gets a %i as it is: it still has its file', async (status) => {
    const { glance, url } = await open();
    const { id } = glance.add();
    glance.puts = [(scene) => scene.answer(status)];
    const request = waiting(url, id);
    request.flushHeaders();
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(status);
    request.destroy();
  });
});

describe('a gateway that closes', () => {
  test('does not wait for a client that has its answer and leaves', async () => {
    const { glance, images, gateway, url } = await open();
    const { id } = glance.add();
    const request = http.request(`${url}/v2/images/${id}/file`, { method: 'PUT' });
    request.on('error', () => {});
    request.write(Buffer.alloc(MIB));
    while (images.begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
    request.destroy();
    await gateway.close({ graceMs: 0 });
    expect(images.published.size).toBe(0);
  });

  test('lets an upload end', async () => {
    const { glance, images, gateway, put } = await open();
    const { id } = glance.add();
    const answer = put(id, 8 * MIB);
    while (images.begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await gateway.close({ graceMs: 10_000 });
    expect((await answer).status).toBe(204);
    expect(images.published.size).toBe(1);
  });

  test('answers 502 to one that takes too long, and hears its client out', async () => {
    const { glance, images, gateway, put } = await open();
    const { id } = glance.add();
    glance.puts = [(scene) => void scene.read(MIB)];
    const answer = put(id, 64 * MIB);
    while (images.begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await gateway.close({ graceMs: 50 });
    expect((await answer).status).toBe(502);
    expect(images.published.size).toBe(0);
  });
});
