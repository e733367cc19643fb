// qemu's own tool judges the images. Installed with Debian's qemu-utils; without it these tests are skipped.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeImages } from '../../src/demo/make-images.ts';
import { hasQemuImg } from './has-qemu-img.ts';

const family = { seed: 11, baseBytes: 12 * 1024 * 1024, snapshots: 3 };
const names = ['base', 'vm-01', 'vm-02', 'vm-03'];
const isInstalled = hasQemuImg();
let dir = '';

const qemuImg = (...args: string[]): string => execFileSync('qemu-img', args, { cwd: dir, encoding: 'utf8' });

beforeAll(async () => {
  if (!isInstalled) return;
  dir = await mkdtemp(join(tmpdir(), 'quarry-qemu-'));
  await makeImages({ dir, ...family });
  await makeImages({ dir, ...family, format: 'raw' });
});
afterAll(async () => {
  if (dir !== '') await rm(dir, { recursive: true });
});
beforeEach(({ skip }) => skip(!isInstalled, 'qemu-img is not installed (Debian: qemu-utils)'));

describe.for(names)('%s.qcow2', (name) => {
  test('has no error and no leak for qemu-img check', () => {
    const report = JSON.parse(qemuImg('check', '--output=json', `${name}.qcow2`));
    expect(report).toMatchObject({ 'check-errors': 0 });
    expect(report['leaks'] ?? 0).toBe(0);
    expect(report['corruptions'] ?? 0).toBe(0);
  });

  test('is a flat qcow2 version 3 with clusters of 64 KiB for qemu-img info', async () => {
    const info = JSON.parse(qemuImg('info', '--output=json', `${name}.qcow2`));
    const raw = await readFile(join(dir, `${name}.raw`));
    expect(info).toMatchObject({ format: 'qcow2', 'virtual-size': raw.length, 'cluster-size': 65536 });
    expect(info['format-specific'].data).toMatchObject({ compat: '1.1', corrupt: false });
    expect(info['backing-filename']).toBeUndefined();
  });

  test('holds the disk that the raw image is', async () => {
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', `${name}.qcow2`, `${name}.converted.raw`);
    const converted = await readFile(join(dir, `${name}.converted.raw`));
    expect(converted.equals(await readFile(join(dir, `${name}.raw`)))).toBe(true);
  });

  // Behind the header, whose extensions differ from version to version of qemu.
  test('is byte for byte what qemu-img convert makes of the raw image', async () => {
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', `${name}.raw`, `${name}.converted.qcow2`);
    const converted = await readFile(join(dir, `${name}.converted.qcow2`));
    const ours = await readFile(join(dir, `${name}.qcow2`));
    expect(ours.subarray(65536).equals(converted.subarray(65536))).toBe(true);
  });
});
