import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackId } from '@quarry/content';
import { descriptorFile, listPackFiles, packFile } from './pack-paths.ts';
import { fileBytes, namesIn } from './store-directory.ts';

export interface StrayFile {
  readonly path: string;
  /** The pack whose name the file has; it may be added at any moment. */
  readonly pack: PackId | undefined;
}

export interface StrayFileUses {
  readonly isPack: (id: PackId) => boolean;
  readonly isStage: (path: string) => boolean;
  /** Does something about a pack while nobody can add it; not if somebody has. */
  readonly whileUnknown: (id: PackId, work: () => Promise<void>) => Promise<void>;
}

/** Files below `packs` and `stages` that belong to no pack and no open stage, in the order of their paths. */
export async function findStrayFiles(
  directory: { readonly packs: string; readonly stages: string },
  uses: StrayFileUses,
): Promise<StrayFile[]> {
  const { packs, stages } = directory;
  const names = await listPackFiles(packs);
  const staged = (await namesIn(stages)).map((name) => join(stages, name));
  // Asked only now: a pack that was added while the names were read is none.
  const strays: StrayFile[] = [
    ...[...names.packs].map((pack) => ({ path: packFile(packs, pack), pack })),
    ...[...names.descriptors].map((pack) => ({ path: descriptorFile(packs, pack), pack })),
  ].filter(({ pack }) => !uses.isPack(pack));
  for (const path of [...names.others, ...staged]) if (!uses.isStage(path)) strays.push({ path, pack: undefined });
  // And looked at again, where nobody can add it meanwhile: a pack that was evicted and is there anew has no strays.
  const found: StrayFile[] = [];
  for (const stray of strays) {
    const look = async (): Promise<void> => {
      if ((await fileBytes(stray.path)) !== undefined) found.push(stray);
    };
    if (stray.pack === undefined) await look();
    else await uses.whileUnknown(stray.pack, look);
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export async function removeStrayFiles(strays: readonly StrayFile[], uses: StrayFileUses): Promise<void> {
  for (const { path, pack } of strays) {
    const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
    if (pack === undefined) await remove();
    else await uses.whileUnknown(pack, remove);
  }
}
