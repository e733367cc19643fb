import { limits } from './limits.ts';

// What the cutter's choice needs of qcow2 (QEMU, docs/interop/qcow2.rst), and no more: nothing rests on it but how well an image deduplicates.
// Header → L1 table → L2 tables, each entry a big-endian 64-bit word; an L2 entry with bit 62 set is a compressed cluster, which may begin
// at any byte of the file, while a standard one begins at a multiple of the cluster size.
const MAGIC = 0x514649fb;
const V2_HEADER_BYTES = 72;
const ENTRY_BYTES = 8;
const MIN_CLUSTER_BITS = Math.log2(limits.fixedChunkBytes);
/** QEMU's own limit, 2 MiB. */
const MAX_CLUSTER_BITS = 21;
const DIRTY = 1;
const CORRUPT = 2;
const EXTERNAL_DATA = 4;
const COMPRESSION_TYPE = 8;
const EXTENDED_L2 = 16;
const KNOWN_FEATURES = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;

/** The halves of a 64-bit word. */
interface Entry {
  readonly high: number;
  readonly low: number;
}

interface Layout {
  readonly clusterBytes: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  /** 16 where extended L2 entries are on: the word, and a bitmap of subclusters. */
  readonly l2EntryBytes: number;
}

export function isQcow2(head: Uint8Array): boolean {
  const view = viewOf(head);
  return view.byteLength >= 8 && view.getUint32(0) === MAGIC && (view.getUint32(4) === 2 || view.getUint32(4) === 3);
}

/**
 * Whether every allocated cluster that the L2 tables within `head` name is a standard one, and there is at least one. Anything that does not
 * fit together (a table out of the head, an offset that is not a cluster's, a reserved bit) is a no.
 */
export function hasUncompressedClusters(head: Uint8Array, imageBytes: number): boolean {
  const view = viewOf(head);
  const layout = readLayout(view);
  if (layout === undefined) return false;
  let standardClusters = 0;
  const tables = new Set<number>();
  const l1End = Math.min(view.byteLength, layout.l1Offset + layout.l1Entries * ENTRY_BYTES);
  for (let at = layout.l1Offset; at + ENTRY_BYTES <= l1End; at += ENTRY_BYTES) {
    const l1 = entryAt(view, at);
    if (isEmpty(l1)) continue;
    const l2Offset = clusterOffset(l1, layout, imageBytes);
    // Every table has one place in L1. A head whose entries all name the same one would have us read it 100,000 times.
    if (l2Offset === undefined || tables.has(l2Offset)) return false;
    tables.add(l2Offset);
    const found = countStandard(view, layout, l2Offset, imageBytes);
    if (found === undefined) return false;
    standardClusters += found;
  }
  return standardClusters > 0;
}

/** Standard clusters in the part of an L2 table that lies in the head; undefined if there is any other. */
function countStandard(view: DataView, layout: Layout, l2Offset: number, imageBytes: number): number | undefined {
  const l2End = Math.min(view.byteLength, l2Offset + layout.clusterBytes);
  let found = 0;
  for (let at = l2Offset; at + ENTRY_BYTES <= l2End; at += layout.l2EntryBytes) {
    const entry = entryAt(view, at);
    const isReadAsZero = (entry.low & 0x1ff) === 1; // bit 0; the cluster may still be allocated
    const standard = isReadAsZero ? { high: entry.high, low: (entry.low & ~1) >>> 0 } : entry;
    if (isEmpty(standard)) continue;
    if (clusterOffset(standard, layout, imageBytes) === undefined) return undefined;
    found += 1;
  }
  return found;
}

function readLayout(view: DataView): Layout | undefined {
  if (view.byteLength < V2_HEADER_BYTES) return undefined;
  const clusterBits = view.getUint32(20);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) return undefined;
  const features = readFeatures(view);
  if (features === undefined) return undefined;
  const clusterBytes = 2 ** clusterBits;
  const l1Offset = view.getUint32(40) * 2 ** 32 + view.getUint32(44);
  if (l1Offset === 0 || l1Offset % clusterBytes !== 0 || l1Offset >= view.byteLength) return undefined;
  return {
    clusterBytes,
    l1Offset,
    l1Entries: view.getUint32(36),
    l2EntryBytes: features & EXTENDED_L2 ? 2 * ENTRY_BYTES : ENTRY_BYTES,
  };
}

/** The incompatible features, none in version 2; undefined if one is unknown or puts the clusters elsewhere. */
function readFeatures(view: DataView): number | undefined {
  if (view.getUint32(4) === 2) return 0;
  if (view.byteLength < V2_HEADER_BYTES + 8) return undefined;
  const high = view.getUint32(72);
  const low = view.getUint32(76);
  const isUnderstood = high === 0 && (low & ~KNOWN_FEATURES) === 0 && (low & EXTERNAL_DATA) === 0;
  return isUnderstood ? low : undefined;
}

function entryAt(view: DataView, at: number): Entry {
  return { high: view.getUint32(at), low: view.getUint32(at + 4) };
}

function isEmpty({ high, low }: Entry): boolean {
  return high === 0 && low === 0;
}

/** Where the cluster lies that a standard L1 or L2 entry names: bits 9 to 55, bit 63 says "used once", every other bit is 0. */
function clusterOffset({ high, low }: Entry, { clusterBytes }: Layout, imageBytes: number): number | undefined {
  if ((high & 0x7f000000) !== 0 || (low & 0x1ff) !== 0) return undefined;
  // Exact in a double: 56 bits whose low 9 are 0.
  const offset = (high & 0x00ffffff) * 2 ** 32 + low;
  return offset > 0 && offset % clusterBytes === 0 && offset < imageBytes ? offset : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
