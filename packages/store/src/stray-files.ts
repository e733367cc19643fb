import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackId } from '@quarry/content';
import { descriptorFile, listPackFiles, packFile } from './pack-paths.ts';
import { namesIn } from './store-directory.ts';

/** Paths of files below `packs` and `stages` that belong to no pack and no open stage, in order. */
export async function findStrayFiles(
  directory: { readonly packs: string; readonly stages: string },
  uses: { readonly isPack: (id: PackId) => boolean; readonly isStage: (path: string) => boolean },
): Promise<string[]> {
  const names = await listPackFiles(directory.packs);
  const staged = (await namesIn(directory.stages)).map((name) => join(directory.stages, name));
  // Asked only now: a pack that was added while the names were read is none.
  const strays = [
    ...[...names.packs].filter((id) => !uses.isPack(id)).map((id) => packFile(directory.packs, id)),
    ...[...names.descriptors].filter((id) => !uses.isPack(id)).map((id) => descriptorFile(directory.packs, id)),
    ...names.others,
    ...staged.filter((path) => !uses.isStage(path)),
  ];
  return strays.sort();
}

export async function removeStrayFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { recursive: true, force: true });
}
