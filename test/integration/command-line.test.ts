import { spawn } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countWrongBytes } from '../../packages/daemon/src/demo/compare-files.ts';
import { makeImages } from '../../packages/daemon/src/demo/make-images.ts';
import type { MadeImage } from '../../packages/daemon/src/demo/make-images.ts';
import { createCluster, mainScript, runQuarry } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

describe('the command line', () => {
  let cluster: Cluster;
  let images: readonly MadeImage[];
  let seeder: Member;
  let node: Member;
  const at = (...path: string[]): string => join(cluster.root, ...path);

  beforeAll(async () => {
    cluster = await createCluster();
    images = await makeImages({ dir: at('store'), seed: 3, baseBytes: 4 * 2 ** 20, snapshots: 2 });
    seeder = await cluster.startSeeder([at('store')]);
    node = await cluster.startNode('node', ['--bootstrap', seeder.address, '--trust', seeder.id]);
  });
  afterAll(() => cluster.stop());

  test('fetches an image through the running daemon, bit for bit, quiet when piped', async () => {
    const [, vm] = images;
    const outcome = await runQuarry([
      'fetch',
      vm?.name ?? '',
      at('vm.qcow2'),
      '--socket',
      node.client ? join(node.directory, 'control.sock') : '',
    ]);
    expect(outcome).toMatchObject({ code: 0, err: '' });
    expect(outcome.out).toContain('every chunk checked');
    expect(await countWrongBytes(vm?.path ?? '', at('vm.qcow2'))).toBe(0);
  });

  test('fetches without a daemon, in a process of its own, and with --json says where the bytes came from', async () => {
    const [, , vm] = images;
    const words = [
      'fetch',
      vm?.name ?? '',
      at('alone.qcow2'),
      '--json',
      '--data',
      at('alone'),
      '--cluster-key-file',
      cluster.keyFile,
    ];
    const outcome = await runQuarry([
      ...words,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--bootstrap',
      seeder.address,
      '--trust',
      seeder.id,
    ]);
    expect(outcome).toMatchObject({ code: 0, err: '' });
    const report = JSON.parse(outcome.out) as { bytesBySource: Record<string, number>; imageBytes: number };
    expect(report.imageBytes).toBe(vm?.sizeBytes);
    expect(report.bytesBySource.seeder).toBeGreaterThan(0);
    expect(await countWrongBytes(vm?.path ?? '', at('alone.qcow2'))).toBe(0);
  });

  test('refuses an existing destination until told to overwrite it', async () => {
    const [base] = images;
    await writeFile(at('mine.qcow2'), 'do not touch');
    const socket = ['--socket', join(node.directory, 'control.sock')];
    const refused = await runQuarry(['fetch', base?.name ?? '', at('mine.qcow2'), ...socket]);
    expect(refused.code).toBe(6);
    expect(refused.err).toContain('mine.qcow2');
    expect(await readFile(at('mine.qcow2'), 'utf8')).toBe('do not touch');
    expect((await runQuarry(['fetch', base?.name ?? '', at('mine.qcow2'), '--overwrite', ...socket])).code).toBe(0);
    expect(await countWrongBytes(base?.path ?? '', at('mine.qcow2'))).toBe(0);
  });

  test('an image that nobody has ends with 3 and its name', async () => {
    const outcome = await runQuarry([
      'fetch',
      'no-such-image',
      at('x'),
      '--socket',
      join(node.directory, 'control.sock'),
    ]);
    expect(outcome.code).toBe(3);
    expect(outcome.err).toContain('no-such-image');
    expect(outcome.err.split('\n').length).toBeLessThan(4);
  });

  test('a publisher who is not trusted is refused with what to do, and accepted when the hash is given', async () => {
    const [base] = images;
    const stranger = await cluster.startNode('stranger', ['--bootstrap', seeder.address]);
    const words = [
      'fetch',
      base?.name ?? '',
      at('untrusted.qcow2'),
      '--socket',
      join(stranger.directory, 'control.sock'),
    ];
    const refused = await runQuarry(words);
    expect(refused.code).toBe(5);
    expect(refused.err).toMatch(/--trust|--expect-hash/);
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha512')
      .update(await readFile(base?.path ?? ''))
      .digest('hex');
    const wrong = await runQuarry([...words, '--expect-hash', `sha512:${'0'.repeat(128)}`]);
    expect(wrong.code).toBe(5);
    await expect(stat(at('untrusted.qcow2'))).rejects.toThrow();
    expect((await runQuarry([...words, '--expect-hash', `sha512:${hash}`])).code).toBe(0);
    await stranger.process.stop();
  });

  test('images, status, pin, unpin, verify and gc answer, also as JSON', async () => {
    const socket = ['--socket', join(node.directory, 'control.sock')];
    const list = await runQuarry(['images', '--json', ...socket]);
    expect((JSON.parse(list.out) as { image: string }[]).map((entry) => entry.image)).toEqual(
      images.map((image) => image.name),
    );
    const status = await runQuarry(['status', '--json', ...socket]);
    expect(JSON.parse(status.out)).toMatchObject({
      role: 'node',
      nodeId: node.id,
      digest: expect.stringContaining('native') as string,
    });
    expect((await runQuarry(['status', ...socket])).out).toContain(node.id);
    expect((await runQuarry(['status', '--metrics', ...socket])).out).toMatch(/^# HELP quarry_/m);
    const name = images[1]?.name ?? '';
    expect((await runQuarry(['pin', name, ...socket])).code).toBe(0);
    const kept = JSON.parse((await runQuarry(['gc', '--max', '0', '--json', ...socket])).out) as {
      heldBytes: number;
      keptBytes: number;
    };
    expect(kept.heldBytes).toBeGreaterThan(0);
    expect(kept.keptBytes).toBe(kept.heldBytes);
    expect((await runQuarry(['unpin', name, ...socket])).code).toBe(0);
    expect(JSON.parse((await runQuarry(['gc', '--max', '0', '--json', ...socket])).out)).toMatchObject({
      keptBytes: 0,
    });
    expect((await runQuarry(['verify', ...socket])).out).toContain('0 bad chunks');
  });

  test('a second daemon on the same data directory is told who holds it', async () => {
    const outcome = await runQuarry([
      'node',
      '--data',
      node.directory,
      '--socket',
      at('other.sock'),
      '--cluster-key-file',
      cluster.keyFile,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
    ]);
    expect(outcome.code).toBe(6);
    expect(outcome.err).toContain(node.directory);
  });

  test('a node with another cluster key gets nothing', async () => {
    await cluster.run('key', at('other.key'));
    const words = [
      'fetch',
      images[0]?.name ?? '',
      at('stolen.qcow2'),
      '--data',
      at('outsider'),
      '--cluster-key-file',
      at('other.key'),
    ];
    const outcome = await runQuarry([
      ...words,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--bootstrap',
      seeder.address,
      '--trust',
      seeder.id,
      '--give-up',
      '3s',
    ]);
    expect([3, 4]).toContain(outcome.code);
    await expect(stat(at('stolen.qcow2'))).rejects.toThrow();
  });

  test.each([
    [['frobnicate'], 'frobnicate'],
    [['fetch', 'x'], 'dest'],
    [['node', '--store-size', 'much', '--data', '/tmp'], '--store-size'],
    [['node', '--no-such-flag'], '--no-such-flag'],
    [['gc', '--max', 'lots'], '--max'],
    [['seed', '/no/such/file'], '/no/such/file'],
    [['demo', '--nodes', 'many'], '--nodes'],
    [['config', 'show', '--config', '/no/such.toml'], '/no/such.toml'],
  ])('wrong words %j end with 2 and name what is wrong', async (words, named) => {
    const outcome = await runQuarry(words);
    expect(outcome.code).toBe(2);
    expect(outcome.err).toContain(named);
    expect(outcome.out).toBe('');
  });

  test('a daemon without a cluster key says how to make one', async () => {
    await mkdir(at('keyless'), { recursive: true });
    const outcome = await runQuarry(['node', '--data', at('keyless'), '--listen', '/ip4/127.0.0.1/tcp/0']);
    expect(outcome.code).toBe(2);
    expect(outcome.err).toContain('quarry key');
  });

  test('--help of every command ends with 0', async () => {
    for (const command of [
      'seed',
      'node',
      'fetch',
      'images',
      'status',
      'verify',
      'pin',
      'unpin',
      'gc',
      'key',
      'config',
      'demo',
    ]) {
      const outcome = await runQuarry([command, '--help']);
      expect(outcome.code, command).toBe(0);
      expect(outcome.out).toContain(`quarry ${command}`);
    }
  });

  test('Ctrl-C stops a node cleanly within two seconds', async () => {
    const words = [
      'node',
      '--data',
      at('stopped'),
      '--cluster-key-file',
      cluster.keyFile,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--bootstrap',
      seeder.address,
    ];
    const child = spawn(process.execPath, ['--conditions=source', mainScript, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise<void>((resolve) =>
      child.stdout.on('data', (text: Buffer) => text.includes('ready') && resolve()),
    );
    const askedMs = systemClock.now();
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(systemClock.now() - askedMs).toBeLessThan(2000);
  });
});
