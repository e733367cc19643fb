import { rm } from 'node:fs/promises';
import { isEmpty } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import type { Database, DatabaseWrite } from './database.ts';
import { discardedPrefix, lastUsePrefix, packKey, packOfKey, packPrefix } from './keys.ts';
import type { KnownPack, KnownPacks } from './known-packs.ts';
import { fileBytes } from './store-directory.ts';
import { descriptorFile, listPackFiles, packFile } from './pack-paths.ts';
import { decodePackRecord } from './pack-record.ts';
import type { PackRecord } from './pack-record.ts';
import { loseAll, recordedPresence } from './presence.ts';

/** With fewer, opening the index again is not worth its milliseconds. */
const MANY_PACKS = 256;

/**
 * Brings the records of the last process into memory, and believes none that its files contradict:
 *   a pack that was discarded, and has no record                             →  its files are removed
 *   a record that does not have its digest, or whose descriptor is not there  →  the pack is forgotten
 *   marks without a pack file                                                →  none of its chunks is present
 *   a pack file that ends before its last mark                               →  its chunks are to be hashed again (returned)
 */
export async function recoverPacks(deps: {
  readonly packs: string;
  readonly database: Database;
  readonly known: KnownPacks;
  readonly logger: Logger;
}): Promise<readonly KnownPack[]> {
  const { packs, database, known, logger } = deps;
  await removeDiscarded(deps);
  const names = await listPackFiles(packs);
  const forgotten: DatabaseWrite[] = [];
  const cut: KnownPack[] = [];

  const restore = (id: PackId, record: PackRecord): void => {
    const pack = known.reserve(id, record, recordedPresence(record));
    pack.isAnchored = record.dataEnd > 0;
    pack.hasFile = names.packs.has(id);
    known.publish(pack);
  };
  const checkFile = async (pack: KnownPack): Promise<void> => {
    if (isEmpty(pack.presence.present)) return;
    const bytes = await fileBytes(packFile(packs, pack.id));
    if (bytes === undefined) {
      logger.warn('a pack file is gone: its chunks are absent', { pack: pack.id });
      loseAll(pack.presence);
    } else if (bytes < pack.presence.dataEnd) cut.push(pack);
  };
  for await (const { key, value } of database.scan(packPrefix)) {
    const id = packOfKey(key);
    const record = readRecord(value);
    if (record && names.descriptors.has(id)) restore(id, record);
    else {
      logger.warn('a pack is not known any more', { pack: id, why: record ? 'no descriptor' : 'damaged record' });
      forgotten.push({ key: packKey(id), value: undefined });
    }
  }
  await Promise.all(Array.from(known.all(), checkFile));
  for await (const { key, value } of database.scan(lastUsePrefix)) {
    const pack = known.find(packOfKey(key));
    if (pack) known.restoreUse(pack, Buffer.from(value).readDoubleBE());
    else forgotten.push({ key, value: undefined });
  }
  // All records have been read, and are not read again: 10 MiB of a thousand GiB of packs.
  if (known.size >= MANY_PACKS) await database.reopen();
  if (forgotten.length > 0) await database.write(forgotten, { isDurable: true });
  const strays = [...names.packs, ...names.descriptors].filter((id) => !known.find(id)).length + names.others.length;
  if (strays > 0) logger.warn('files that belong to no pack lie in the store: verify names them', { files: strays });
  return cut;
}

/** Ends what discarding had begun. A pack that has a record was added again since. */
async function removeDiscarded({
  packs,
  database,
  logger,
}: {
  readonly packs: string;
  readonly database: Database;
  readonly logger: Logger;
}): Promise<void> {
  const done: DatabaseWrite[] = [];
  for await (const { key } of database.scan(discardedPrefix)) {
    const id = packOfKey(key);
    try {
      if (!(await database.find(packKey(id)))) {
        await rm(packFile(packs, id), { force: true });
        await rm(descriptorFile(packs, id), { force: true });
      }
      done.push({ key, value: undefined });
    } catch (error) {
      logger.warn('could not remove all of a pack', { pack: id, error: errorCode(error) });
    }
  }
  if (done.length > 0) await database.write(done, { isDurable: true });
}

function readRecord(value: Uint8Array): PackRecord | undefined {
  try {
    return decodePackRecord(value);
  } catch {
    return undefined; // whatever is wrong with it, nothing it says can be believed
  }
}
