// One ingest or rebuild, told by the JSON in the first argument; prints a Sample. Opening the store is not measured, what the image package does is.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { imageRef, publicDomain } from '@quarry/content';
import type { Signer } from '@quarry/content';
import { ingestFromOrigin, rebuildImage } from '@quarry/image';
import { createDirectoryOrigin } from '@quarry/origin';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import type { DiskStore } from '@quarry/store';

export interface ImageOrder {
  readonly doing: 'ingest' | 'rebuild';
  /** The store's directory. */
  readonly store: string;
  /** The image to ingest, or where to rebuild it. */
  readonly path: string;
  /** A file to copy to a second place before, and to remove there: see runCp. */
  readonly warmUp: readonly [from: string, to: string];
  /** Whether all is on the disk in the end. Without, the store's own flushes in the background are put off too: `cp` has none. */
  readonly isDurable: boolean;
  /** How the pieces of the store are kept. */
  readonly encoding: 'off' | 'zstd';
}

const NEVER = 2 ** 50;
const order = JSON.parse(process.argv[2] ?? '') as ImageOrder;

function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey: new Uint8Array(raw), sign: async (bytes) => sign(null, bytes, privateKey) };
}

async function ingest({ packs: store, images: catalog }: DiskStore): Promise<void> {
  const { path, isDurable, encoding } = order;
  const origin = createDirectoryOrigin({ clock: systemClock }, { directory: dirname(path) });
  const image = await origin.describe(imageRef(basename(path)));
  const deps = { store, catalog, origin, signer: createSigner(), clock: systemClock, logger: silentLogger };
  await ingestFromOrigin(deps, image, { domain: publicDomain, isDurable, encoding });
  await origin.close();
}

/** The one image that was ingested into this store. */
async function rebuild({ packs: store, images: catalog }: DiskStore): Promise<void> {
  for await (const record of catalog.listRecords()) {
    const manifest = await catalog.findManifest(record.manifest);
    if (!manifest) throw new Error(`the store has no manifest ${record.manifest}`);
    const deps = { store, random: systemRandom, logger: silentLogger };
    return void (await rebuildImage(deps, manifest, order.path, { isDurable: order.isDurable }));
  }
  throw new Error('nothing was ingested into this store');
}

/** What the packs take of the disk: holes do not count. */
function packFileBytes(): number {
  const names = readdirSync(order.store, { recursive: true, encoding: 'utf8' });
  const packs = names.filter((name) => name.endsWith('.pack'));
  return packs.reduce((sum, name) => sum + statSync(join(order.store, name)).blocks * 512, 0);
}

const lazy = { syncBytes: NEVER, syncDelayMs: 2 ** 30, maxUnsyncedBytes: NEVER };
const options = { directory: order.store, ...(order.isDurable ? {} : lazy) };
const store = await createDiskStore({ clock: systemClock, logger: silentLogger }, options);
const [from, to] = order.warmUp;
execFileSync('cp', ['--', from, to]);
rmSync(to);
const cpuBefore = process.cpuUsage();
const startMs = systemClock.now();
await (order.doing === 'ingest' ? ingest(store) : rebuild(store));
const seconds = (systemClock.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const peakRssMiB = process.resourceUsage().maxRSS / 1024;
const storedBytes = packFileBytes();
if (order.encoding === 'zstd' && storedBytes > 0.7 * statSync(order.path).size) {
  throw new Error('the image is to be ingested with encoded pieces, and takes as much room as with plain ones');
}
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakRssMiB, storedBytes }));
await store.close();
