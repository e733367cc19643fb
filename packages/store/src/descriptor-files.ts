import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { decodePackDescriptor, encodePackDescriptor } from '@quarry/content';
import type { PackDescriptor, PackId } from '@quarry/content';
import { PRIVATE_FILE } from './store-directory.ts';
import { descriptorFile, packDirectory } from './pack-paths.ts';

/** Descriptors on disk, some of them in memory. A file that was half written does not have the digest that names it, so it needs no care. */
export interface DescriptorFiles {
  /** From memory, else undefined. */
  peek(id: PackId): PackDescriptor | undefined;
  /** @throws ContentError if the file does not have its digest, or the system's error (`ENOENT`) */
  load(id: PackId): Promise<PackDescriptor>;
  /** Not durable until `sync`. */
  write(descriptor: PackDescriptor): Promise<void>;
  sync(id: PackId): Promise<void>;
  remove(id: PackId): Promise<void>;
  readonly cachedBytes: number;
}

export function createDescriptorFiles(options: {
  readonly packs: string;
  readonly cacheBytes: number;
}): DescriptorFiles {
  const { packs, cacheBytes } = options;
  /** The least recently used first. */
  const cache = new Map<PackId, PackDescriptor>();
  const loading = new Map<PackId, Promise<PackDescriptor>>();
  let cachedBytes = 0;

  const forget = (id: PackId): void => {
    const known = cache.get(id);
    if (!known) return;
    cache.delete(id);
    cachedBytes -= memoryBytes(known);
  };
  const keep = (descriptor: PackDescriptor): void => {
    forget(descriptor.id);
    cache.set(descriptor.id, descriptor);
    cachedBytes += memoryBytes(descriptor);
    for (const id of cache.keys()) {
      if (cachedBytes <= cacheBytes) return;
      forget(id);
    }
  };
  const peek = (id: PackId): PackDescriptor | undefined => {
    const known = cache.get(id);
    if (known) {
      cache.delete(id);
      cache.set(id, known);
    }
    return known;
  };
  const read = async (id: PackId): Promise<PackDescriptor> => {
    const descriptor = decodePackDescriptor(await readFile(descriptorFile(packs, id)), id);
    keep(descriptor);
    return descriptor;
  };

  return {
    peek,
    async load(id) {
      const known = peek(id);
      if (known) return known;
      const running = loading.get(id) ?? read(id).finally(() => loading.delete(id));
      loading.set(id, running);
      return await running;
    },
    async write(descriptor) {
      await mkdir(packDirectory(packs, descriptor.id), { recursive: true, mode: 0o700 });
      const bytes = encodePackDescriptor(descriptor);
      await writeFile(descriptorFile(packs, descriptor.id), bytes, { mode: PRIVATE_FILE });
      keep(descriptor);
    },
    async sync(id) {
      const handle = await open(descriptorFile(packs, id), 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    async remove(id) {
      forget(id);
      await rm(descriptorFile(packs, id), { force: true });
    },
    get cachedBytes() {
      return cachedBytes;
    },
  };
}

/** A few words for the object on top of its arrays. */
function memoryBytes(descriptor: PackDescriptor): number {
  return descriptor.digests.byteLength + descriptor.offsets.byteLength + 200;
}
