import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diskMiBOf, sampleProcess } from '../../src/soak/process-sample.ts';

test('a process’s memory, threads, files and sockets are what the kernel says', async () => {
  const before = await sampleProcess(process.pid);
  const servers = Array.from({ length: 5 }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const after = await sampleProcess(process.pid);
  for (const server of servers) server.close();
  expect((after?.sockets ?? 0) - (before?.sockets ?? 0)).toBe(5);
  // whoever runs the tests closes files of its own meanwhile
  expect(after?.openFiles).toBeGreaterThanOrEqual(5);
  expect(before?.openFiles).toBeGreaterThan(0);
  expect(after?.threads).toBeGreaterThan(1);
  expect(after?.pssMiB).toBeGreaterThan(5);
  expect(after?.pssMiB).toBeLessThanOrEqual(after?.rssMiB ?? 0);
});

test('a process that is gone has no sample', async () => {
  expect(await sampleProcess(2 ** 22 + 1)).toBeUndefined();
});

test('a daemon’s disk is what its files take, holes and logs aside', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-soak-'));
  try {
    await mkdir(join(directory, 'store'));
    await writeFile(join(directory, 'store', 'pack'), Buffer.alloc(2 ** 21, 1));
    await writeFile(join(directory, 'daemon.log'), Buffer.alloc(2 ** 21, 1));
    await using sparse = await open(join(directory, 'store', 'sparse'), 'w');
    await sparse.truncate(2 ** 30);
    await sparse.sync();
    expect(await diskMiBOf(directory)).toBeCloseTo(2, 1);
  } finally {
    await rm(directory, { recursive: true });
  }
});
