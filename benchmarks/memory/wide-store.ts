import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fullChunkSet, limits, packIdFrom, publicDomain } from '@quarry/content';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import { openDatabase } from '../../packages/store/src/database.ts';
import type { DatabaseWrite } from '../../packages/store/src/database.ts';
import { lastUseKey, packKey } from '../../packages/store/src/keys.ts';
import { descriptorFile, packFile } from '../../packages/store/src/pack-paths.ts';
import { createFrameTable, setFrame } from '../../packages/store/src/frame-table.ts';
import { encodePackRecord } from '../../packages/store/src/pack-record.ts';
import { openStoreDirectory } from '../../packages/store/src/store-directory.ts';

/** What the descriptor of a full pack takes on disk. */
const DESCRIPTOR_BYTES = 147_000;
/** Pieces as frames are what takes a node most memory: all are. */
const FRAME_BYTES = 400_000;
const WRITES_AT_ONCE = 256;

/**
 * A store in `directory` that knows `packs` full packs, 256 MiB each, all of it present and kept as zstd frames: made in a second or two, because everything that only a
 * reader of chunks would look at is a hole. Whoever opens it sees records, uses, and files of the sizes that they should have.
 */
export async function makeWideStore(directory: string, packs: number): Promise<void> {
  const made = await createDiskStore({ clock: systemClock, logger: silentLogger }, { directory });
  await made.close();
  const paths = await openStoreDirectory(directory);
  const database = await openDatabase(paths.index, {
    cacheBytes: 2 ** 20,
    writeBufferBytes: 2 ** 22,
    logger: silentLogger,
  });
  const chunkCount = limits.maxChunksPerPack;
  const packBytes = chunkCount * limits.fixedChunkBytes;
  const { bits } = fullChunkSet(chunkCount);
  const frames = createFrameTable(chunkCount);
  for (let piece = 0; piece < limits.maxPiecesPerPack; piece += 1) setFrame(frames, piece, FRAME_BYTES, piece);
  let writes: DatabaseWrite[] = [];
  for (let number = 1; number <= packs; number += 1) {
    const id = packIdFrom(systemRandom.bytes(32));
    const descriptor = descriptorFile(paths.packs, id);
    await mkdir(dirname(descriptor), { recursive: true, mode: 0o700 });
    await makeHole(descriptor, DESCRIPTOR_BYTES);
    await makeHole(packFile(paths.packs, id), packBytes);
    const record = {
      number,
      domain: publicDomain,
      secret: undefined,
      chunkCount,
      presentBytes: packBytes,
      storedBytes: limits.maxPiecesPerPack * FRAME_BYTES,
      dataEnd: packBytes,
      bits,
      frames,
    };
    const usedAt = Buffer.alloc(8);
    usedAt.writeDoubleBE(number);
    writes.push({ key: packKey(id), value: encodePackRecord(record) }, { key: lastUseKey(id), value: usedAt });
    if (writes.length < WRITES_AT_ONCE && number < packs) continue;
    await database.write(writes, { isDurable: false });
    writes = [];
  }
  await database.close();
}

async function makeHole(path: string, bytes: number): Promise<void> {
  await writeFile(path, '', { mode: 0o600 });
  await truncate(path, bytes);
}
