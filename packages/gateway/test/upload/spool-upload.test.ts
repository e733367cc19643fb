import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSpool, type Spool } from '../../src/index.ts';
import { takes } from './support/upload-glance.ts';
import { blocks, startUploadGateway, type UploadGateway } from './support/upload-gateway.ts';

const MIB = 2 ** 20;
const NUMBERS = { spoolFirstDelayMs: 5, spoolMaxDelayMs: 20, spoolRetryMs: 5_000 };

let directory: string;
let spool: Spool;
let running: UploadGateway;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-spool-'));
});

afterEach(async () => {
  await running.close();
  expect(spool.usedBytes).toBe(0);
  await rm(directory, { recursive: true, force: true });
});

async function open(options: Partial<typeof NUMBERS> = {}, maxBytes = 256 * MIB): Promise<UploadGateway> {
  spool = await openSpool({ logger: silentLogger }, { directory, maxBytes, reserveBytes: 0 });
  running = await startUploadGateway({ ...NUMBERS, ...options, spool });
  return running;
}

function putsOf({ glance }: UploadGateway): number {
  return glance.requests.filter(({ line }) => line.startsWith('PUT')).length;
}

describe('a spooled upload', () => {
  test('is given to Glance when all of it is there, and seeded', async () => {
    const { glance, images, put, uploaded } = await open();
    const { id } = glance.add();
    expect((await put(id, 5 * MIB + 3)).status).toBe(204);
    const whole = Buffer.concat([...blocks(5 * MIB + 3)]);
    expect(glance.data.get(id)?.equals(whole)).toBe(true);
    expect(images.published.get(id)?.bytes.equals(whole)).toBe(true);
    expect(await uploaded()).toMatchObject({ status: 204, seeded: 'seeded' });
  });

  test.for([
    ['answers 503', (scene) => scene.answer(503)],
    [
      'answers 503 after the body',
      async (scene) => {
        await scene.read();
        scene.record.status = 'queued';
        scene.answer(503);
      },
    ],
    [
      'breaks off in the middle',
      async (scene) => {
        await scene.read(MIB);
        scene.reset();
      },
    ],
  ] as [string, typeof takes][])('is given again to a Glance that %s', async ([, script]) => {
    const gateway = await open();
    const { glance, images, put } = gateway;
    const { id } = glance.add();
    glance.puts = [script, script, takes];
    expect((await put(id, 4 * MIB)).status).toBe(204);
    expect(putsOf(gateway)).toBe(3);
    expect(glance.data.get(id)?.equals(Buffer.concat([...blocks(4 * MIB)]))).toBe(true);
    expect(images.published.get(id)?.bytes.length).toBe(4 * MIB);
  });

  test('outlives a Glance that is down at first, and is seeded all the same', async () => {
    const { glance, images, put } = await open();
    const { id } = glance.add();
    await glance.stop();
    const answer = put(id, 4 * MIB);
    while (spool.usedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    await glance.start();
    expect((await answer).status).toBe(204);
    expect(glance.data.get(id)?.length).toBe(4 * MIB);
    expect(images.published.get(id)?.bytes.length).toBe(4 * MIB);
  });

  test('of which Glance lost only the answer is taken', async () => {
    const gateway = await open();
    const { glance, images, put } = gateway;
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.take(() => scene.request.socket.resetAndDestroy());
      },
      (scene) => scene.answer(409),
    ];
    expect((await put(id, 4 * MIB)).status).toBe(204);
    expect(putsOf(gateway)).toBe(2);
    expect(images.published.get(id)?.bytes.length).toBe(4 * MIB);
  });

  test('waits for a Glance that still clears the last try away', async () => {
    const { glance, put } = await open();
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.read(MIB);
        scene.reset();
        scene.record.status = 'saving';
      },
      (scene) => {
        scene.answer(409);
        scene.record.status = 'queued';
      },
      takes,
    ];
    expect((await put(id, 2 * MIB)).status).toBe(204);
  });

  test('in whose place Glance has something else is a 409', async () => {
    const { glance, images, put } = await open();
    const { id } = glance.add();
    glance.puts = [
      (scene) => {
        Object.assign(scene.record, {
          status: 'active',
          size: 2 * MIB,
          os_hash_algo: 'sha512',
          os_hash_value: 'ab'.repeat(64),
        });
        scene.reset();
        scene.record.status = 'active';
      },
      (scene) => scene.answer(409),
    ];
    expect((await put(id, 2 * MIB)).status).toBe(409);
    expect(images.published.size).toBe(0);
  });

  test.for([
    [401, {}, 401],
    [401, { 'X-Service-Token': 'secret' }, 502],
    [413, {}, 413],
  ] as const)('that Glance refuses with %i is not given again', async ([status, headers, expected]) => {
    const gateway = await open();
    const { glance, images, put } = gateway;
    const { id } = glance.add();
    glance.puts = [
      async (scene) => {
        await scene.read();
        scene.answer(status);
      },
    ];
    expect((await put(id, MIB, headers)).status).toBe(expected);
    expect([putsOf(gateway), images.published.size]).toEqual([1, 0]);
  });

  test('that Glance never takes ends with 502 when its time is over', async () => {
    const { glance, images, put } = await open({ spoolRetryMs: 60 });
    const { id } = glance.add();
    glance.puts = [(scene) => scene.answer(503)];
    expect((await put(id, MIB)).status).toBe(502);
    expect(images.published.size).toBe(0);
  });

  test('of an image that Glance shows to nobody is refused on its headers', async () => {
    const { glance, put } = await open();
    glance.records.clear();
    expect((await put('1c6b6b63-6f37-4d4a-9d6e-2f0f8b2f6a10', MIB)).status).toBe(404);
  });

  test.for([
    ['with a length that does not fit', { 'Content-Length': `${40 * MIB}` }],
    ['that outgrows the room', {}],
  ] as const)('%s streams, and loses nothing', async ([, headers]) => {
    const { glance, images, url } = await open({}, 20 * MIB);
    const { id } = glance.add();
    const request = http.request(`${url}/v2/images/${id}/file`, { method: 'PUT', headers });
    for (const block of blocks(40 * MIB)) request.write(block);
    request.end();
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(204);
    const whole = Buffer.concat([...blocks(40 * MIB)]);
    expect(glance.data.get(id)?.equals(whole)).toBe(true);
    expect(images.published.get(id)?.bytes.equals(whole)).toBe(true);
  });

  test('whose client leaves never reaches Glance', async () => {
    const gateway = await open();
    const { glance, images, url, uploaded } = gateway;
    const { id } = glance.add();
    const request = http.request(`${url}/v2/images/${id}/file`, { method: 'PUT' });
    request.on('error', () => {});
    request.write(Buffer.alloc(MIB));
    while (spool.usedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    request.destroy();
    expect(await uploaded()).toMatchObject({ reason: 'GATEWAY_CLIENT_GONE', seeded: 'not-seeded' });
    expect([putsOf(gateway), images.published.size]).toEqual([0, 0]);
  });

  test('ends with 502 where the gateway closes before Glance has it', async () => {
    const { glance, put, gateway } = await open({
      spoolFirstDelayMs: 60_000,
      spoolMaxDelayMs: 60_000,
      spoolRetryMs: 600_000,
    });
    const { id } = glance.add();
    const asked = new Promise<void>((resolve) => {
      glance.puts = [
        (scene) => {
          scene.answer(503);
          resolve();
        },
      ];
    });
    const answer = put(id, MIB);
    await asked;
    await gateway.close({ graceMs: 20 });
    expect((await answer).status).toBe(502);
  });
});
