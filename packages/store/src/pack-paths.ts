import { join } from 'node:path';
import { packId } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { namesIn } from './store-directory.ts';

/** Two hex digits keep 100,000 packs at 800 names a directory. */
export function packDirectory(packs: string, id: PackId): string {
  return join(packs, id.slice(0, 2));
}

export function packFile(packs: string, id: PackId): string {
  return join(packDirectory(packs, id), `${id}.pack`);
}

export function descriptorFile(packs: string, id: PackId): string {
  return join(packDirectory(packs, id), `${id}.descriptor`);
}

export interface PackFileNames {
  readonly packs: ReadonlySet<PackId>;
  readonly descriptors: ReadonlySet<PackId>;
  /** Paths of what is neither. */
  readonly others: readonly string[];
}

const NAME = /^([0-9a-f]{64})\.(pack|descriptor)$/;

/** What lies below `packs`, by its names alone. */
export async function listPackFiles(packs: string): Promise<PackFileNames> {
  const found = { packs: new Set<PackId>(), descriptors: new Set<PackId>(), others: new Array<string>() };
  for (const directory of await namesIn(packs)) {
    const isOurs = /^[0-9a-f]{2}$/.test(directory);
    if (!isOurs) found.others.push(join(packs, directory));
    for (const name of isOurs ? await namesIn(join(packs, directory)) : []) {
      const [, hex = '', kind] = NAME.exec(name) ?? [];
      if (!hex.startsWith(directory) || hex === '') found.others.push(join(packs, directory, name));
      else (kind === 'pack' ? found.packs : found.descriptors).add(packId(hex));
    }
  }
  return found;
}
