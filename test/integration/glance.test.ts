import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithGlance } from '../glance/describe-with-glance.ts';
import { startGlance, type Glance } from '../glance/start-glance.ts';

describeWithGlance('a real Glance for tests', () => {
  let dir: string;
  let glance: Glance;
  let other: Glance;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-glance-'));
    [glance, other] = await Promise.all([
      startGlance({ dir: join(dir, 'one') }),
      startGlance({ dir: join(dir, 'two'), extraConfig: '[DEFAULT]\nhashing_algorithm = sha256\n' }),
    ]);
  });

  afterAll(async () => {
    await Promise.all([glance?.stop(), other?.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  test('keeps an uploaded image in its store and hashes it', async () => {
    const bytes = new TextEncoder().encode('granite');
    const image = await glance.createImage({ name: 'a', diskFormat: 'raw', bytes });
    expect(image).toMatchObject({ status: 'active', size: 7, os_hash_algo: 'sha512' });
    expect(image.os_hash_value).toBe(createHash('sha512').update(bytes).digest('hex'));
    expect(new Uint8Array(await readFile(join(glance.imagesDir, image.id)))).toEqual(bytes);
  });

  test('takes an image from a file', async () => {
    const path = join(dir, 'image.raw');
    await writeFile(path, Buffer.alloc(300_000, 7));
    const image = await glance.createImage({ name: 'b', diskFormat: 'raw', path });
    expect(await readFile(join(glance.imagesDir, image.id))).toEqual(Buffer.alloc(300_000, 7));
  });

  test('two at once know nothing of each other, and each has its own configuration', async () => {
    const image = await other.createImage({ name: 'c', diskFormat: 'raw', bytes: new Uint8Array(10) });
    expect(image.os_hash_algo).toBe('sha256');
    expect(other.url).not.toBe(glance.url);
    await expect(glance.getImage(image.id)).rejects.toThrow('404');
  });

  test('deactivates, reactivates and deletes', async () => {
    const { id } = await glance.createImage({ name: 'd', diskFormat: 'raw', bytes: new Uint8Array(10) });
    await glance.deactivate(id);
    expect((await glance.getImage(id)).status).toBe('deactivated');
    await glance.reactivate(id);
    expect((await glance.getImage(id)).status).toBe('active');
    await glance.delete(id);
    await expect(glance.getImage(id)).rejects.toThrow('404');
  });

  test('an image without data stays queued', async () => {
    expect(await glance.createImage({ name: 'e', diskFormat: 'qcow2' })).toMatchObject({
      status: 'queued',
      size: null,
    });
  });

  test('answers nothing while paused, and goes on when resumed', async () => {
    const { id } = await glance.createImage({ name: 'f', diskFormat: 'raw', bytes: new Uint8Array(10) });
    await glance.pause();
    let answered = false;
    const answer = glance.getImage(id).then((image) => {
      answered = true;
      return image;
    });
    // The other one answers a request that was sent later, several times over.
    for (let i = 0; i < 5; i += 1) await expect(other.getImage(id)).rejects.toThrow('404');
    expect(answered).toBe(false);
    glance.resume();
    expect(await answer).toMatchObject({ id });
  });

  test('stops while paused, and its images are there when it is started again', async () => {
    const { id } = await other.createImage({ name: 'g', diskFormat: 'raw', bytes: new Uint8Array(10) });
    await other.pause();
    await other.stop();
    expect(existsSync(`/proc/${other.pid}`)).toBe(false);
    other = await startGlance({ dir: join(dir, 'two') });
    expect(await other.getImage(id)).toMatchObject({ id, status: 'active' });
  });

  test('a start that is given up leaves no process', async () => {
    const where = join(dir, 'three');
    await mkdir(where);
    const controller = new AbortController();
    const changes = watch(where, { signal: AbortSignal.timeout(60_000) });
    const starting = startGlance({ dir: where, signal: controller.signal });
    starting.catch(() => {});
    // The log is opened after the process was started and before it can be ready.
    for await (const { filename } of changes) if (filename === 'glance.log') break;
    expect(commandsNaming(where)).toHaveLength(1);
    controller.abort(new Error('given up'));
    await expect(starting).rejects.toThrow('given up');
    expect(commandsNaming(where)).toEqual([]);
  });

  test('a start that is given up at once rejects with the reason', async () => {
    const signal = AbortSignal.abort(new Error('never wanted'));
    await expect(startGlance({ dir: join(dir, 'five'), signal })).rejects.toThrow('never wanted');
  });

  test('a configuration that Glance refuses is told with the end of its log', async () => {
    const starting = startGlance({ dir: join(dir, 'four'), extraConfig: '[DEFAULT]\nworkers = many\n' });
    await expect(starting).rejects.toThrow(/ended before it was ready[^]*workers/);
  });
});

/** The command lines of all running processes that name `path`. */
function commandsNaming(path: string): string[] {
  const commands = readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      return [readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ')];
    } catch {
      return []; // ended since it was listed
    }
  });
  return commands.filter((command) => command.includes(path));
}
