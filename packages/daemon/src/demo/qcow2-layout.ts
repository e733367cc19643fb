/**
 * Where things lie in a qcow2 file that is written once, from start to end, as `qemu-img convert -O qcow2` does it:
 *
 *     cluster 0 header | 1 refcount table | 2 refcount block | 3… L1 table | then for each 512 MiB of guest that holds data:
 *     its L2 table, followed by its data clusters in guest order | at each 2 GiB of file: the next refcount block
 *
 * So every data cluster is 64 KiB-aligned in the file, and one more or less moves all that follow. Only arithmetic here; the writer does
 * the rest. The format: qemu's docs/interop/qcow2.txt, version 3. No backing file, no snapshots, no encryption, no compression.
 */
export interface Qcow2Layout {
  /** Gives the file offset of the next data cluster. Guest clusters must come in rising order, each once (else RangeError). */
  place(guestCluster: number): number;
  /** The file's size so far, in bytes. */
  sizeBytes(): number;
  /** Everything that is not data, to be written when all data is placed. */
  metadata(): readonly { readonly offset: number; readonly bytes: Buffer }[];
}

export const clusterBytes: number = 64 * 1024;
/** Guest clusters that one L2 table maps: 512 MiB. */
const entriesPerTable = clusterBytes / 8;
/** Clusters that one refcount block counts, 16 bits each: 2 GiB of file. */
const countsPerBlock = clusterBytes / 2;
/** What one refcount table of one cluster can cover: 16 TiB of file, so of guest a little less. */
export const maxVirtualBytes: number = 8 * 2 ** 40;
/** In an entry: the cluster's refcount is exactly one, it may be written in place. */
const copiedFlag = 0x8000_0000;

/** `virtualBytes`: size of the guest's disk, a positive multiple of 512 up to `maxVirtualBytes`. */
export function createQcow2Layout(virtualBytes: number): Qcow2Layout {
  if (
    !Number.isSafeInteger(virtualBytes) ||
    virtualBytes <= 0 ||
    virtualBytes % 512 !== 0 ||
    virtualBytes > maxVirtualBytes
  ) {
    throw new RangeError(`a qcow2 disk must be a multiple of 512 bytes up to ${maxVirtualBytes}, not ${virtualBytes}`);
  }
  const guestClusters = Math.ceil(virtualBytes / clusterBytes);
  const l1 = Buffer.alloc(Math.ceil(guestClusters / entriesPerTable) * 8);
  const l1Offset = 3 * clusterBytes;
  const refcountBlocks = [2 * clusterBytes];
  const l2Tables: { readonly offset: number; readonly bytes: Buffer }[] = [];
  let l2: Buffer = l1; // the table of the last guest cluster
  let nextCluster = 3 + Math.ceil(l1.length / clusterBytes);
  let lastGuestCluster = -1;

  const allocate = (): number => {
    if (nextCluster % countsPerBlock === 0) {
      refcountBlocks.push(nextCluster * clusterBytes);
      nextCluster += 1;
    }
    nextCluster += 1;
    return (nextCluster - 1) * clusterBytes;
  };

  return {
    place(guestCluster) {
      if (guestCluster <= lastGuestCluster || guestCluster >= guestClusters) {
        throw new RangeError(`guest cluster ${guestCluster} after ${lastGuestCluster} of ${guestClusters}`);
      }
      const table = Math.floor(guestCluster / entriesPerTable);
      if (lastGuestCluster < 0 || table !== Math.floor(lastGuestCluster / entriesPerTable)) {
        const offset = allocate();
        putEntry(l1, table, offset);
        l2 = Buffer.alloc(clusterBytes);
        l2Tables.push({ offset, bytes: l2 });
      }
      lastGuestCluster = guestCluster;
      const offset = allocate();
      putEntry(l2, guestCluster % entriesPerTable, offset);
      return offset;
    },
    sizeBytes: () => nextCluster * clusterBytes,
    metadata() {
      const refcountTable = Buffer.alloc(clusterBytes);
      refcountBlocks.forEach((offset, i) => refcountTable.writeBigUInt64BE(BigInt(offset), i * 8));
      const counts = refcountBlocks.map((offset, i) => ({
        offset,
        bytes: refcountBlock(nextCluster - i * countsPerBlock),
      }));
      return [
        { offset: 0, bytes: header(virtualBytes, l1.length / 8, l1Offset) },
        { offset: clusterBytes, bytes: refcountTable },
        ...counts,
        { offset: l1Offset, bytes: l1 },
        ...l2Tables,
      ];
    },
  };
}

/** Offsets stay below 2^53, so two words do what a BigInt would, for each of a disk's clusters. */
function putEntry(table: Buffer, index: number, offset: number): void {
  table.writeUInt32BE((copiedFlag | Math.floor(offset / 0x1_0000_0000)) >>> 0, index * 8);
  table.writeUInt32BE(offset % 0x1_0000_0000, index * 8 + 4);
}

/** Each of the first `clusters` is used once, those behind the file's end not at all. */
function refcountBlock(clusters: number): Buffer {
  const block = Buffer.alloc(clusterBytes);
  for (let i = 0; i < Math.min(clusters, countsPerBlock); i += 1) block[i * 2 + 1] = 1;
  return block;
}

/** Version 3, 112 bytes, and an empty list of header extensions; the rest of the cluster is zeros. */
function header(virtualBytes: number, l1Entries: number, l1Offset: number): Buffer {
  const bytes = Buffer.alloc(clusterBytes);
  bytes.write('QFI\xfb', 0, 'latin1');
  bytes.writeUInt32BE(3, 4); // version
  bytes.writeUInt32BE(16, 20); // cluster bits
  bytes.writeBigUInt64BE(BigInt(virtualBytes), 24);
  bytes.writeUInt32BE(l1Entries, 36);
  bytes.writeBigUInt64BE(BigInt(l1Offset), 40);
  bytes.writeBigUInt64BE(BigInt(clusterBytes), 48); // refcount table: offset, and clusters of it
  bytes.writeUInt32BE(1, 56);
  bytes.writeUInt32BE(4, 96); // refcounts of 2^4 bits
  bytes.writeUInt32BE(112, 100); // length of this header
  return bytes;
}
