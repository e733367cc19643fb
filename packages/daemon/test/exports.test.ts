import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { domain, imageRef } from '@quarry/content';
import { CodedError, createLifecycle, createVirtualClock, systemRandom } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serveExports } from '../src/control/export-server.ts';
import { createExports } from '../src/exports.ts';
import type { AuthorisedImage, Exports, ExportsDeps } from '../src/exports.ts';
import { groupIdOf } from '../src/group-id.ts';

const image = '8f1c6c1e-0f1d-4c39-9d5d-6d1f2a3b4c5d';
const secret = 'gAAAA-a-token-nobody-may-see';
const hash = { algorithm: 'sha256', value: 'ab'.repeat(32) } as const;
const known: AuthorisedImage = { ref: imageRef(image), imageBytes: 5, hash, domain: domain('project:p') };

let root: string;
let directory: string;
let logged: string[];
const clock = createVirtualClock();
const open: Exports[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'quarry-exports-'));
  directory = join(root, 'exports');
  logged = [];
});
afterEach(async () => {
  for (const exports of open.splice(0)) await exports.close();
  rmSync(root, { recursive: true });
});

const note = (message: string, fields?: object): void => void logged.push(JSON.stringify([message, fields]));
const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };

async function make(deps: Partial<ExportsDeps> = {}, groupId?: number): Promise<Exports> {
  const exports = await createExports(
    {
      clock,
      random: systemRandom,
      logger,
      async authorise(ref, headers) {
        if (headers['x-auth-token'] === secret) return { ...known, ref };
        throw new CodedError('ORIGIN_NOT_FOUND', 'Glance has no such image for this caller');
      },
      rebuild: async (_image, _headers, destination) => await writeFile(destination, 'image'),
      ...deps,
    },
    { directory, groupId },
  );
  open.push(exports);
  return exports;
}
const signal = new AbortController().signal;
const tokens = { 'x-auth-token': secret };

describe('exports', () => {
  test('gives a file of its own to each who asks, and keeps nothing once it is given up', async () => {
    const exports = await make();
    const [a, b] = await Promise.all([1, 2].map(() => exports.create(image, tokens, { signal })));
    expect(a?.path).not.toBe(b?.path);
    expect(await readFile(a?.path ?? '', 'utf8')).toBe('image');
    expect(a).toMatchObject({ imageBytes: 5, hash });
    expect(await exports.giveUp(a?.id ?? '', 'link')).toBe(true);
    expect(await exports.giveUp(a?.id ?? '', 'link')).toBe(false);
    expect(readdirSync(directory)).toEqual([`${b?.id}.img`]);
  });

  test('makes nothing before Glance has said yes to this caller', async () => {
    const rebuilt: string[] = [];
    const exports = await make({ rebuild: async (_image, _headers, path) => void rebuilt.push(path) });
    await expect(exports.create(image, {}, { signal })).rejects.toMatchObject({ code: 'ORIGIN_NOT_FOUND' });
    expect(rebuilt).toEqual([]);
  });

  test('removes after ten minutes what nobody took', async () => {
    const exports = await make();
    const { id } = await exports.create(image, tokens, { signal });
    await clock.advance(9 * 60_000);
    expect(readdirSync(directory)).toEqual([`${id}.img`]);
    await clock.advance(60_000);
    await expect.poll(() => readdirSync(directory)).toEqual([]);
    expect(await exports.giveUp(id, 'late')).toBe(false);
  });

  test('removes at its start what a killed daemon left, half files too, and nothing else', async () => {
    const left = `${'0f'.repeat(16)}.img`;
    mkdirSync(directory);
    for (const name of [left, `.${left}.quarry-00ff.part`, 'notes.txt']) writeFileSync(join(directory, name), '');
    await make();
    expect(readdirSync(directory)).toEqual(['notes.txt']);
  });

  test('says at its start what is wrong with a directory that cannot be used', async () => {
    writeFileSync(directory, 'a file');
    await expect(make()).rejects.toMatchObject({ code: 'DAEMON_DIRECTORY_UNUSABLE' });
  });

  test('leaves nothing of a rebuild that fails, or that was given up just before its end', async () => {
    const left = new AbortController();
    const exports = await make({
      async rebuild(_image, _headers, path) {
        await writeFile(path, 'ima');
        left.abort(new CodedError('CONTROL_LOST', 'the client closed the connection'));
      },
    });
    await expect(exports.create(image, tokens, { signal: left.signal })).rejects.toMatchObject({
      code: 'CONTROL_LOST',
    });
    expect(readdirSync(directory)).toEqual([]);
    const full = await make({ rebuild: () => Promise.reject(new CodedError('IMAGE_NO_SPACE', 'the disk is full')) });
    await expect(full.create(image, tokens, { signal })).rejects.toMatchObject({ code: 'IMAGE_NO_SPACE' });
    expect(readdirSync(directory)).toEqual([]);
  });

  test('lets only the group in, and lets it list nothing', async () => {
    const groupId = process.getgid?.() ?? 0;
    const exports = await make({}, groupId);
    const { path } = await exports.create(image, tokens, { signal });
    expect(statSync(directory).mode & 0o777).toBe(0o710);
    expect(statSync(path)).toMatchObject({ gid: groupId });
    expect(statSync(path).mode & 0o777).toBe(0o664);
    await make();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  test('gives everything up when the daemon stops', async () => {
    const exports = await make();
    await exports.create(image, tokens, { signal });
    await exports.close();
    expect(readdirSync(directory)).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('the export socket', () => {
  const ask = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
  ): Promise<{ readonly status: number | undefined; readonly text: string }> =>
    new Promise((resolve, reject) => {
      const sent = httpRequest({ socketPath: join(root, 's'), method, path, headers }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });

  test('answers where the file is, and forgets it when told to', async () => {
    const lifecycle = createLifecycle();
    await serveExports(await make(), { socketPath: join(root, 's'), groupId: process.getgid?.() }, lifecycle);
    expect(statSync(join(root, 's')).mode & 0o777).toBe(0o660);
    const { text } = await ask('POST', '/v1/export', { 'X-Auth-Token': secret }, JSON.stringify({ image }));
    const events = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; result?: { id: string; path: string } });
    expect(events.at(-1)?.event).toBe('done');
    const { id = '', path = '' } = events.at(-1)?.result ?? {};
    expect(await readFile(path, 'utf8')).toBe('image');
    expect((await ask('DELETE', `/v1/export/${id}?reflink`)).status).toBe(204);
    expect((await ask('DELETE', `/v1/export/${id}?reflink`)).status).toBe(404);
    expect((await ask('DELETE', '/v1/export/..%2f..%2fs')).status).toBe(404);
    expect((await ask('GET', '/v1/status')).status).toBe(400);
    expect((await ask('POST', '/v1/purge', {}, '{}')).status).toBe(400);
    expect(logged.join('\n')).toContain('reflink');
    expect(logged.join('\n')).toContain('"audit":true');
    await lifecycle.close();
  });

  test('tells of a refusal by its code, and no token is in any answer or log line', async () => {
    const lifecycle = createLifecycle();
    await serveExports(
      await make({ authorise: () => Promise.reject(new CodedError('ORIGIN_UNAUTHORIZED', 'Glance wants a token')) }),
      { socketPath: join(root, 's'), groupId: undefined },
      lifecycle,
    );
    expect(statSync(join(root, 's')).mode & 0o777).toBe(0o600);
    const { text } = await ask('POST', '/v1/export', { 'X-Auth-Token': secret }, JSON.stringify({ image }));
    expect(text).toContain('ORIGIN_UNAUTHORIZED');
    expect(text + logged.join('\n')).not.toContain(secret);
    await lifecycle.close();
  });
});

test('a group is found by its name, taken by its number, and otherwise refused with what to do', async () => {
  const file = join(root, 'group');
  writeFileSync(file, 'root:x:0:\nnova:x:64060:quarry\n');
  expect(await groupIdOf('nova', file)).toBe(64_060);
  expect(await groupIdOf('1234', file)).toBe(1234);
  await expect(groupIdOf('nobodys', file)).rejects.toThrow('getent group nobodys');
});
