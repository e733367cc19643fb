import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, systemClock } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openUploadMarks } from '../../src/index.ts';
import { startUploadGateway, type UploadGateway } from './support/upload-gateway.ts';

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-marks-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the marks of uploads', () => {
  test('know an upload that has begun, also in another process, until it is over', async () => {
    const marks = await openUploadMarks({ clock: systemClock }, { directory });
    const mark = await marks.begin('image', 'req-1');
    expect(await marks.begin('image', 'req-1')).toBeUndefined();
    const other = await openUploadMarks({ clock: systemClock }, { directory });
    expect(await other.begin('image', 'req-1')).toBeUndefined();
    await mark?.remove();
    expect(await other.begin('image', 'req-1')).toBeDefined();
  });

  test('do not take another upload for the same', async () => {
    const marks = await openUploadMarks({ clock: systemClock }, { directory });
    await marks.begin('image', 'req-1');
    expect(await marks.begin('image', 'req-2')).toBeDefined();
    expect(await marks.begin('other', 'req-1')).toBeDefined();
  });

  test('are forgotten when nobody can come again any more, and only they', async () => {
    await writeFile(join(directory, 'notes.txt'), 'not ours');
    await (await openUploadMarks({ clock: systemClock }, { directory })).begin('image', 'req-1');
    const soon = createVirtualClock(Date.now() + HOUR_MS / 2);
    await openUploadMarks({ clock: soon }, { directory });
    expect((await readdir(directory)).length).toBe(2);
    await openUploadMarks({ clock: createVirtualClock(Date.now() + 2 * HOUR_MS) }, { directory });
    expect(await readdir(directory)).toEqual(['notes.txt']);
  });
});

describe('an upload with a mark', () => {
  let running: UploadGateway;

  beforeEach(async () => {
    running = await startUploadGateway({ uploadMarks: await openUploadMarks({ clock: systemClock }, { directory }) });
  });

  afterEach(() => running.close());

  async function cutOff(id: string): Promise<void> {
    const headers = { 'X-OpenStack-Request-ID': 'req-1' };
    const request = http.request(`${running.url}/v2/images/${id}/file`, { method: 'PUT', headers });
    request.on('error', () => {});
    request.write(Buffer.alloc(MIB));
    while (running.images.begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
    request.destroy();
    await running.uploaded();
  }

  test('that was cut off and comes again is refused, and Glance sees nothing of the rest', async () => {
    const { glance, put } = running;
    const { id } = glance.add();
    await cutOff(id);
    const seen = glance.requests.length;
    const answer = await put(id, MIB, { 'X-OpenStack-Request-ID': 'req-1' });
    expect([answer.status, answer.headers['content-type']]).toEqual([502, 'text/plain; charset=UTF-8']);
    expect(answer.body).toContain('the rest of the file');
    expect([glance.requests.length, glance.data.size]).toEqual([seen, 0]);
  });

  test('that was cut off leaves another one alone', async () => {
    const { glance, put } = running;
    const { id } = glance.add();
    await cutOff(id);
    expect((await put(id, MIB, { 'X-OpenStack-Request-ID': 'req-2' })).status).toBe(204);
  });

  test.for([204, 409])('that has its answer, a %i, leaves no mark', async (status) => {
    const { glance, put, uploaded } = running;
    const { id } = glance.add();
    if (status !== 204) glance.puts = [(scene) => scene.answer(status)];
    expect((await put(id, MIB, { 'X-OpenStack-Request-ID': 'req-1' })).status).toBe(status);
    await uploaded();
    expect(await readdir(directory)).toEqual([]);
  });
});
