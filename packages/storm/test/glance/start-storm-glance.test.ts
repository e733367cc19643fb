import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLifecycle, createSeededRandom, systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stage } from '../../src/contestant.ts';
import { curlArguments, unshelveRequests } from '../../src/glance/nova-requests.ts';
import { startStormGlance } from '../../src/glance/start-storm-glance.ts';
import { createStormNetwork } from '../../src/network/create-storm-network.ts';
import { runToEnd } from '../../src/process/run-to-end.ts';
import type { StormGlance } from '../../src/storm-glance.ts';
import { describeWithNetwork } from '../network/describe-with-network.ts';
import { smallStorm } from '../support/small-storm.ts';

describeWithNetwork('the Glance of a storm', () => {
  const waiting = { signal: new AbortController().signal };
  const lifecycle = createLifecycle();
  const bytes = [100_000, 200_000].map((size) => Uint8Array.from({ length: size }, (_, i) => (i * size) % 249));
  let directory: string;
  let stage: Omit<Stage, 'glance'>;
  let glance: StormGlance;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quarry-sg-'));
    const small = smallStorm('', { nodes: 2 });
    const [image] = small.images;
    if (!image) throw new Error('no image');
    const storm = { ...small, images: [image, { ...image, name: 'late' }], shelves: [{ host: 1, image: 1, atMs: 0 }] };
    const network = await createStormNetwork({ clock: systemClock, lifecycle }, { storm, signal: waiting.signal });
    const files = await Promise.all(
      bytes.map(async (data, index) => {
        const path = join(directory, `${index}.img`);
        await writeFile(path, data);
        const sha512 = createHash('sha512').update(data).digest('hex');
        return { name: `image ${index}`, path, sizeBytes: data.length, sha512 };
      }),
    );
    const images = { files, countWrongBytes: async () => 0 };
    const tools = { clock: systemClock, random: createSeededRandom(1), note: () => {} };
    stage = { ...tools, ...waiting, storm, network, images, directory, lifecycle };
    glance = await startStormGlance(stage, { kind: 'embedded' });
  }, 30_000);
  afterAll(async () => {
    await lifecycle.close();
    await rm(directory, { recursive: true });
  });

  const read = async (options: { readonly isDeleted: boolean }): Promise<Uint8Array> => {
    const file = join(directory, 'received');
    const words = curlArguments(unshelveRequests(glance.id(0) ?? '', options), { ...glance, file });
    await runToEnd(['curl', ...words], { ...waiting, prefix: stage.network.hosts[0]?.prefix ?? [] });
    return new Uint8Array(await readFile(file));
  };

  test('gives a host its image, and counts what it sent', { timeout: 30_000 }, async () => {
    expect(glance.url).toBe(`http://${stage.network.origin.address}:9292`);
    expect(await read({ isDeleted: false })).toEqual(bytes[0]);
    expect(await glance.sentBytes(waiting)).toBe(100_000);
    expect(new Uint8Array(await readFile(join(glance.storeDirectory, glance.id(0) ?? '')))).toEqual(bytes[0]);
  });

  test('has not yet what is shelved during the storm', () => {
    expect(glance.id(1)).toBeUndefined();
    glance.setId(1, 'x');
    expect(glance.id(1)).toBe('x');
  });

  test('fails while it shall', { timeout: 30_000 }, async () => {
    await glance.setFailing('errors', waiting);
    await expect(read({ isDeleted: false })).rejects.toThrow('503');
    await glance.setFailing('truncates', waiting);
    await expect(read({ isDeleted: false })).rejects.toThrow('curl');
    await glance.setFailing(undefined, waiting);
    expect(await read({ isDeleted: false })).toEqual(bytes[0]);
  });

  test('loses an image that is deleted, and its source stays', { timeout: 30_000 }, async () => {
    await read({ isDeleted: true });
    await expect(readFile(join(glance.storeDirectory, glance.id(0) ?? ''))).rejects.toThrow('ENOENT');
    expect(new Uint8Array(await readFile(stage.images.files[0]?.path ?? ''))).toEqual(bytes[0]);
  });

  test('is named when it dies', { timeout: 30_000 }, async () => {
    const other = await startStormGlance(
      { ...stage, network: { ...stage.network, origin: { ...stage.network.origin, address: '10.255.255.254' } } },
      { kind: 'embedded' },
    ).catch((error: unknown) => error);
    expect(other).toMatchObject({ code: 'STORM_PART_FAILED', message: expect.stringContaining('EADDRNOTAVAIL') });
  });
});
