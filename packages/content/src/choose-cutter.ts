import { cdc64k, fixed64k } from './cutter-spec.ts';
import type { CutterSpec } from './cutter-spec.ts';
import { limits } from './limits.ts';
import { hasUncompressedClusters, isQcow2 } from './qcow2-head.ts';
import { isZero } from './zero.ts';

const SECTOR_BYTES = 512;

/** What stands at a fixed place of a partitioned disk, or of a bare file system. Two bytes are little evidence, but a wrong guess is cheap. */
const DISK_SIGNATURES: readonly { readonly what: string; readonly at: number; readonly bytes: Uint8Array }[] = [
  signature('MBR, FAT or NTFS', 510, '55aa'),
  signature('GPT, 512-byte sectors', 512, ascii('EFI PART')),
  signature('GPT, 4096-byte sectors', 4096, ascii('EFI PART')),
  signature('ext2, ext3, ext4', 0x438, '53ef'),
  signature('XFS', 0, ascii('XFSB')),
  signature('btrfs', 0x10040, ascii('_BHRfS_M')),
  signature('LVM in the first sector', 0, ascii('LABELONE')),
  signature('LVM', 512, ascii('LABELONE')),
  signature('LUKS', 0, `${ascii('LUKS')}babe`),
  signature('F2FS', 0x400, '1020f5f2'),
  signature('ISO 9660', 0x8001, ascii('CD001')),
  signature('swap', 4086, ascii('SWAPSPACE2')),
];

/**
 * Which cutter fits an image, by its first bytes; its name, or what an origin calls its format, is never asked. Looks at no more than
 * `limits.cutterHeadBytes` of `head`, follows no pointer out of it, and never throws: a wrong choice costs deduplication, not correctness.
 * `head` should be that long, or the whole image where this is shorter.
 */
export function chooseCutter(head: Uint8Array, imageBytes: number): CutterSpec {
  const seen = head.subarray(0, limits.cutterHeadBytes);
  if (isQcow2(seen)) return hasUncompressedClusters(seen, imageBytes) ? fixed64k : cdc64k;
  return isRawDisk(seen, imageBytes) ? fixed64k : cdc64k;
}

function isRawDisk(head: Uint8Array, imageBytes: number): boolean {
  if (imageBytes % SECTOR_BYTES !== 0 || head.length < SECTOR_BYTES) return false;
  return (
    isZero(head) ||
    DISK_SIGNATURES.some(({ at, bytes }) => Buffer.compare(head.subarray(at, at + bytes.length), bytes) === 0)
  );
}

function signature(what: string, at: number, hex: string): { what: string; at: number; bytes: Uint8Array } {
  return { what, at, bytes: Buffer.from(hex, 'hex') };
}

function ascii(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
