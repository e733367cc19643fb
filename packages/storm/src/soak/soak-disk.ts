import { constants } from 'node:fs';
import { copyFile, open, rm } from 'node:fs/promises';
import { createSeededRandom } from '@quarry/runtime';

const CHUNK_BYTES = 64 * 1024;
/** Of its chunks that a guest writes between two shelves. */
const WRITTEN_PART = 0.08;

/** An instance's disk as the hypervisor sees it: what is shelved from it, and what an unshelve must bring back. */
export interface SoakDisk {
  readonly path: string;
  /** The guest writes: some chunks are others from now on, by chance that follows from the seed. */
  write(): Promise<void>;
  remove(): Promise<void>;
}

/** A disk like the base. @throws errors of the file system */
export async function createSoakDisk(path: string, basePath: string, seed: number): Promise<SoakDisk> {
  const random = createSeededRandom(seed);
  await copyFile(basePath, path, constants.COPYFILE_FICLONE);
  return {
    path,
    async write() {
      await using file = await open(path, 'r+');
      const chunks = Math.ceil((await file.stat()).size / CHUNK_BYTES);
      for (let count = Math.ceil(chunks * WRITTEN_PART); count > 0; count -= 1) {
        // never the first one: by it the image is known for a disk
        const chunk = 1 + Math.floor(random.next() * (chunks - 1));
        if (chunk < chunks - 1) await file.write(random.bytes(CHUNK_BYTES), 0, CHUNK_BYTES, chunk * CHUNK_BYTES);
      }
    },
    remove: () => rm(path, { force: true }),
  };
}
