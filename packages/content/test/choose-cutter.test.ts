import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseCutter } from '../src/choose-cutter.ts';
import { limits } from '../src/limits.ts';

const HEAD = limits.cutterHeadBytes;
const imageBytes = 64 * HEAD;
const noise = (seed: number = 1): Uint8Array => createSeededRandom(seed).bytes(HEAD);
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;

/** A head as qemu-img writes it: header, L1 in the fourth cluster, L2 in the fifth, data behind. */
function qcow2(
  change: {
    readonly version?: number;
    readonly clusterBits?: number;
    readonly features?: number;
    readonly l1?: readonly bigint[];
    readonly l1Offset?: bigint;
    readonly l2?: readonly bigint[];
  } = {},
): Uint8Array {
  const { version = 3, clusterBits = 16, features = 0 } = change;
  const clusterBytes = 2 ** Math.min(clusterBits, 22);
  const head = Buffer.alloc(HEAD);
  head.write('QFI\xfb', 'latin1');
  head.writeUInt32BE(version, 4);
  head.writeUInt32BE(clusterBits, 20);
  const l1 = change.l1 ?? [COPIED | BigInt(4 * clusterBytes)];
  head.writeUInt32BE(l1.length, 36);
  head.writeBigUInt64BE(change.l1Offset ?? BigInt(3 * clusterBytes), 40);
  head.writeUInt32BE(features, 76);
  const write = (words: readonly bigint[], at: number): void => {
    for (const [i, word] of words.entries()) if (at + i * 8 + 8 <= HEAD) head.writeBigUInt64BE(word, at + i * 8);
  };
  write(l1, 3 * clusterBytes);
  write(change.l2 ?? [0n, COPIED | BigInt(5 * clusterBytes), 0n, COPIED | BigInt(6 * clusterBytes)], 4 * clusterBytes);
  return head;
}

const chosen = (head: Uint8Array, bytes: number = imageBytes): string => chooseCutter(head, bytes).name;
const cluster = 65536n;

describe('a qcow2 is cut at 64 KiB', () => {
  test.for([
    ['as qemu-img writes it', qcow2()],
    ['of version 2', qcow2({ version: 2, features: 0xff })],
    ['with clusters of 128 KiB', qcow2({ clusterBits: 17 })],
    ['that was not closed', qcow2({ features: 1 })],
    ['whose compression is zstd, where nothing is compressed', qcow2({ features: 8 })],
    [
      'with extended L2 entries, whatever their bitmaps say',
      qcow2({ features: 16, l2: [COPIED | (5n * cluster), COMPRESSED | 7n] }),
    ],
    ['with clusters that read as zeros', qcow2({ l2: [1n, COPIED | (5n * cluster), COPIED | (6n * cluster) | 1n] })],
    ['with L2 tables behind the head', qcow2({ l1: [COPIED | (4n * cluster), 0n, COPIED | (100n * cluster)] })],
  ] as const)('%s', ([, head]) => {
    expect(chosen(head)).toBe('fixed-64k');
  });
});

describe('a qcow2 is cut by content', () => {
  test.for([
    ['whose first cluster is compressed', qcow2({ l2: [COMPRESSED | (5n * cluster), COPIED | (6n * cluster)] })],
    [
      'that has one compressed cluster among others',
      qcow2({ l2: [COPIED | (5n * cluster), COMPRESSED | (6n * cluster + 77n)] }),
    ],
    [
      'whose last L2 entry is a compressed cluster',
      qcow2({ l2: [COPIED | (5n * cluster), ...Array<bigint>(8190).fill(0n), COMPRESSED | 9n] }),
    ],
    ['with clusters of 4 KiB', qcow2({ clusterBits: 12 })],
    ['with clusters of 4 MiB', qcow2({ clusterBits: 22 })],
    ['with a cluster size beyond sense', qcow2({ clusterBits: 0xffffffff })],
    ['whose L1 table is behind the head', qcow2({ clusterBits: 21 })],
    ['whose L1 table is nowhere', qcow2({ l1Offset: 0xffffffffffff0000n })],
    ['whose L1 table begins within a cluster', qcow2({ l1Offset: 3n * cluster + 8n })],
    ['without an L1 entry', qcow2({ l1: [0n] })],
    ['whose L2 tables are all behind the head', qcow2({ l1: [COPIED | (100n * cluster)] })],
    ['whose L2 table is behind the image', qcow2({ l1: [COPIED | (4n * cluster), COPIED | (5000n * cluster)] })],
    ['without an allocated cluster', qcow2({ l2: [0n, 1n] })],
    ['with a cluster behind the image', qcow2({ l2: [COPIED | (5000n * cluster)] })],
    ['with a cluster that begins anywhere', qcow2({ l2: [COPIED | (5n * cluster + 512n)] })],
    ['with a reserved bit in L2', qcow2({ l2: [COPIED | (5n * cluster) | (1n << 57n)] })],
    ['with a reserved bit in L1', qcow2({ l1: [COPIED | (4n * cluster) | 2n] })],
    ['whose data is in another file', qcow2({ features: 4 })],
    ['with an unknown feature', qcow2({ features: 32 })],
    ['of which only the header is there', qcow2().subarray(0, 104)],
    ['of which not even the header is there', qcow2().subarray(0, 60)],
  ] as const)('%s', ([, head]) => {
    expect(chosen(head)).toBe('cdc-64k');
  });

  test('and read once, where a hostile L1 names one table a hundred thousand times', () => {
    const l1 = Array<bigint>(98_304).fill(COPIED | (4n * cluster));
    expect(chosen(qcow2({ l1 }))).toBe('cdc-64k');
  });
});

describe('a disk is cut at 64 KiB', () => {
  const withBytes = (at: number, bytes: string): Uint8Array => {
    const head = noise();
    head.set(Buffer.from(bytes, 'latin1'), at);
    return head;
  };
  test.for([
    ['an MBR', withBytes(510, '\x55\xaa')],
    ['a GPT', withBytes(512, 'EFI PART')],
    ['a GPT for 4 KiB sectors', withBytes(4096, 'EFI PART')],
    ['an ext4 superblock', withBytes(1080, '\x53\xef')],
    ['XFS', withBytes(0, 'XFSB')],
    ['btrfs', withBytes(65600, '_BHRfS_M')],
    ['LVM', withBytes(512, 'LABELONE')],
    ['LUKS', withBytes(0, 'LUKS\xba\xbe')],
    ['F2FS', withBytes(1024, '\x10\x20\xf5\xf2')],
    ['ISO 9660', withBytes(32769, 'CD001')],
    ['swap', withBytes(4086, 'SWAPSPACE2')],
    ['nothing but zeros', new Uint8Array(HEAD)],
    ['a sector of zeros', new Uint8Array(512)],
  ] as const)('with %s', ([, head]) => {
    expect(chosen(head)).toBe('fixed-64k');
  });

  test('unless its size is not one of a disk', () => {
    expect(chosen(new Uint8Array(HEAD), imageBytes + 1)).toBe('cdc-64k');
    expect(chosen(withBytes(510, '\x55\xaa'), imageBytes + 100)).toBe('cdc-64k');
  });
});

describe('the choice of a cutter', () => {
  test('falls on content for everything unknown', () => {
    expect(chosen(noise())).toBe('cdc-64k');
    expect(chosen(new Uint8Array(0), 0)).toBe('cdc-64k');
    expect(chosen(Buffer.from('KDMV'), imageBytes)).toBe('cdc-64k');
  });

  test('does not look behind the first MiB', () => {
    const long = Buffer.concat([new Uint8Array(HEAD), noise()]);
    expect(chosen(long)).toBe('fixed-64k');
    const l1Behind = Buffer.concat([qcow2({ clusterBits: 21 }), qcow2(), qcow2()]);
    expect(chosen(l1Behind)).toBe('cdc-64k');
  });

  test('is made for any bytes at all, hostile headers among them', () => {
    const anyHead = fc
      .record({
        base: fc.constantFrom(qcow2(), qcow2({ version: 2 }), noise()),
        edits: fc.array(fc.tuple(fc.oneof(fc.nat(104), fc.nat(8 * 65536)), fc.nat(255)), { maxLength: 30 }),
        length: fc.oneof(fc.nat(200), fc.constant(HEAD), fc.nat(HEAD)),
      })
      .map(({ base, edits, length }) => {
        const head = base.slice(0, length);
        const copy = new Uint8Array(head);
        for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
        return copy;
      });
    fc.assert(
      fc.property(anyHead, fc.maxSafeInteger(), (head, bytes) => {
        expect(['fixed-64k', 'cdc-64k']).toContain(chosen(head, bytes));
      }),
      { numRuns: 200 },
    );
  });
});
