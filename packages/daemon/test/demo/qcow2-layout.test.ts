import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterBytes, createQcow2Layout, maxVirtualBytes } from '../../src/demo/qcow2-layout.ts';
import { hasQemuImg } from './has-qemu-img.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

/** What a reader of the format finds: guest cluster → file offset, and the refcount of each cluster of the file. */
function readBack(metadata: readonly { readonly offset: number; readonly bytes: Buffer }[], sizeBytes: number) {
  const at = (offset: number): Buffer => {
    const part = metadata.find((each) => each.offset === offset);
    if (!part) throw new Error(`no metadata at ${offset}`);
    return part.bytes;
  };
  const words = (table: Buffer): number[] =>
    Array.from({ length: table.length / 8 }, (_, i) => Number(table.readBigUInt64BE(i * 8) & 0x00ff_ffff_ffff_fe00n));
  const header = at(0);
  const l1 = words(at(Number(header.readBigUInt64BE(40))));
  const data = l1.flatMap((table, i) =>
    table === 0 ? [] : words(at(table)).flatMap((offset, j) => (offset === 0 ? [] : [[i * 8192 + j, offset] as const])),
  );
  const refcounts = words(at(Number(header.readBigUInt64BE(48))))
    .filter((offset) => offset !== 0)
    .flatMap((offset) => Array.from({ length: 32768 }, (_, i) => at(offset).readUInt16BE(i * 2)))
    .slice(0, sizeBytes / clusterBytes + 1);
  return { data, refcounts };
}

describe('the qcow2 layout', () => {
  test('puts the first data cluster behind header, refcount table, refcount block, L1 and L2', () => {
    const layout = createQcow2Layout(GiB);
    expect(layout.place(3)).toBe(5 * clusterBytes);
    expect(layout.place(4)).toBe(6 * clusterBytes);
    // Guest cluster 8192 is the first of the second table.
    expect(layout.place(8192)).toBe(8 * clusterBytes);
    expect(layout.sizeBytes()).toBe(9 * clusterBytes);
    expect(layout.metadata().map(({ offset }) => offset / clusterBytes)).toEqual([0, 1, 2, 3, 4, 7]);
  });

  test('maps each guest cluster to where its data were placed, and counts each cluster of the file once', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(40_000), { maxLength: 50 }), (drawn) => {
        const guestClusters = drawn.toSorted((a, b) => a - b);
        const layout = createQcow2Layout(40_001 * clusterBytes);
        const placed = guestClusters.map((cluster) => [cluster, layout.place(cluster)] as const);
        const { data, refcounts } = readBack(layout.metadata(), layout.sizeBytes());
        expect(data).toEqual(placed);
        expect(refcounts).toEqual([...Array.from({ length: layout.sizeBytes() / clusterBytes }, () => 1), 0]);
        const used = [...placed, ...layout.metadata().map(({ offset }) => ['metadata', offset] as const)];
        expect(new Set(used.map(([, offset]) => offset)).size).toBe(used.length);
      }),
      { numRuns: 20 },
    );
  });

  test('refuses a guest cluster twice, backwards or behind the end, because data would be lost', () => {
    const layout = createQcow2Layout(MiB);
    layout.place(5);
    for (const cluster of [5, 4, 16]) expect(() => layout.place(cluster)).toThrow(RangeError);
  });

  test.for([0, -512, 100, maxVirtualBytes + 512, Number.NaN])('refuses a disk of %d bytes', (bytes) => {
    expect(() => createQcow2Layout(bytes)).toThrow(RangeError);
  });

  test('goes on with another refcount block at each 2 GiB of file, to qemu-img’s satisfaction', async ({ skip }) => {
    skip(!hasQemuImg(), 'qemu-img is not installed (Debian: qemu-utils)');
    const dir = await mkdtemp(join(tmpdir(), 'quarry-layout-'));
    const path = join(dir, 'large.qcow2');
    const file = await open(path, 'w');
    try {
      const layout = createQcow2Layout(6 * GiB);
      for (let cluster = 0; cluster < 70_000; cluster += 1) layout.place(cluster);
      // The data clusters stay holes: the tables are what is tested.
      await file.truncate(layout.sizeBytes());
      for (const { offset, bytes } of layout.metadata()) await file.write(bytes, 0, bytes.length, offset);
      await file.close();
      expect(layout.metadata().map(({ offset }) => offset)).toEqual(expect.arrayContaining([2 * GiB, 4 * GiB]));
      const report = JSON.parse(execFileSync('qemu-img', ['check', '--output=json', path], { encoding: 'utf8' }));
      expect(report).toMatchObject({ 'check-errors': 0, 'allocated-clusters': 70_000 });
      expect(report['leaks'] ?? 0).toBe(0);
    } finally {
      await file.close().catch(() => undefined);
      await rm(dir, { recursive: true });
    }
  });
});
