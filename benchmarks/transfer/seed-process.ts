// Ingests image files into the store of a node that is yet to be started, as the JSON in the first argument says; prints who published them.
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { imageRef, publicDomain } from '@quarry/content';
import { ingestFromOrigin } from '@quarry/image';
import { createDirectoryOrigin } from '@quarry/origin';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import { loadIdentity } from '@quarry/swarm';

export interface SeedOrder {
  readonly dataDirectory: string;
  readonly paths: readonly string[];
  /** How pieces are kept, and so how they are sent. */
  readonly encoding: 'off' | 'zstd';
}

export interface SeedAnswer {
  /** Peer id. */
  readonly publisher: string;
}

const { dataDirectory, paths, encoding } = JSON.parse(process.argv[2] ?? '') as SeedOrder;
mkdirSync(dataDirectory, { recursive: true });
const base = { clock: systemClock, logger: silentLogger };
const store = await createDiskStore(base, { directory: join(dataDirectory, 'store') });
const signer = await loadIdentity(join(dataDirectory, 'identity.key'), systemRandom);
for (const path of paths) {
  const origin = createDirectoryOrigin({ clock: systemClock }, { directory: dirname(path) });
  const image = await origin.describe(imageRef(basename(path)));
  const deps = { ...base, store: store.packs, catalog: store.images, origin, signer };
  await ingestFromOrigin(deps, image, { domain: publicDomain, encoding });
  await origin.close();
}
await store.close();
const answer: SeedAnswer = { publisher: signer.peerId };
console.log(JSON.stringify(answer));
