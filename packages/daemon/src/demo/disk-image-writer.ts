import { clusterBytes, createQcow2Layout } from './qcow2-layout.ts';
import { createWholeFile } from './whole-file.ts';

export type DiskImageFormat = 'qcow2' | 'raw';

/** Writes one disk image from start to end. */
export interface DiskImageWriter {
  /** One cluster of the guest's disk, 64 KiB, not all zeros. In rising order; those left out are zeros. `bytes` may be reused afterwards. */
  append(guestCluster: number, bytes: Buffer): Promise<void>;
  /** Completes the file, gives it its name and returns its size in bytes. */
  commit(): Promise<number>;
  /** Removes what was written, unless it was committed. */
  discard(): Promise<void>;
}

/** `virtualBytes`: size of the guest's disk, in whole clusters. */
export async function createDiskImageWriter(
  path: string,
  format: DiskImageFormat,
  virtualBytes: number,
): Promise<DiskImageWriter> {
  return format === 'raw' ? createRawWriter(path, virtualBytes) : createQcow2Writer(path, virtualBytes);
}

/** A sparse file: zeros are holes. */
async function createRawWriter(path: string, virtualBytes: number): Promise<DiskImageWriter> {
  const file = await createWholeFile(path);
  return {
    append: (guestCluster, bytes) => file.write(guestCluster * clusterBytes, bytes),
    async commit() {
      await file.commit(virtualBytes);
      return virtualBytes;
    },
    discard: () => file.discard(),
  };
}

/** Data as it comes, one after the other; the tables that say where it lies come last, because they are known last. */
async function createQcow2Writer(path: string, virtualBytes: number): Promise<DiskImageWriter> {
  const layout = createQcow2Layout(virtualBytes);
  const file = await createWholeFile(path);
  return {
    append: (guestCluster, bytes) => file.write(layout.place(guestCluster), bytes),
    async commit() {
      for (const { offset, bytes } of layout.metadata()) await file.write(offset, bytes);
      await file.commit(layout.sizeBytes());
      return layout.sizeBytes();
    },
    discard: () => file.discard(),
  };
}
