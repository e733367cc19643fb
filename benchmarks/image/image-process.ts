// One ingest or rebuild, told by the JSON in the first argument; prints a Sample. Opening the store is not measured, what the image package does is.
// A daemon runs for weeks: before the clock starts this process does the same once with the first 64 MiB of the image and a store of its own, so that its code
// is compiled and its threads have been started by then, as those of a daemon have. The measured operation uses the same threads.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { imageRef, publicDomain } from '@quarry/content';
import type { Signer } from '@quarry/content';
import { createCompute, ingestFromOrigin, rebuildImage } from '@quarry/image';
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
const PRACTICE_BYTES = 64 * 1024 * 1024;
const order = JSON.parse(process.argv[2] ?? '') as ImageOrder;

function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey: new Uint8Array(raw), sign: async (bytes) => sign(null, bytes, privateKey) };
}

const compute = createCompute({ clock: systemClock });

async function ingest({ packs: store, images: catalog }: DiskStore, path: string): Promise<void> {
  const { isDurable, encoding } = order;
  const origin = createDirectoryOrigin({ clock: systemClock }, { directory: dirname(path) });
  const image = await origin.describe(imageRef(basename(path)));
  const deps = { store, catalog, origin, signer: createSigner(), clock: systemClock, logger: silentLogger, compute };
  await ingestFromOrigin(deps, image, { domain: publicDomain, isDurable, encoding });
  await origin.close();
}

/** The one image that was ingested into this store. */
async function rebuild({ packs: store, images: catalog }: DiskStore, path: string): Promise<void> {
  for await (const record of catalog.listRecords()) {
    const manifest = await catalog.findManifest(record.manifest);
    if (!manifest) throw new Error(`the store has no manifest ${record.manifest}`);
    const deps = { store, random: systemRandom, logger: silentLogger, compute };
    return void (await rebuildImage(deps, manifest, path, { isDurable: order.isDurable }));
  }
  throw new Error('nothing was ingested into this store');
}

/** What comes before the clock starts. `source` is the image that an ingest is of, or a rebuild was of. */
async function practise(source: string, directory: string): Promise<void> {
  const image = join(directory, 'image.raw');
  mkdirSync(directory);
  copyFirst(source, image, PRACTICE_BYTES);
  const practice = await createDiskStore(
    { clock: systemClock, logger: silentLogger },
    { ...options, directory: join(directory, 'store') },
  );
  await ingest(practice, image);
  if (order.doing === 'rebuild') await rebuild(practice, join(directory, 'rebuilt'));
  await practice.close();
  rmSync(directory, { recursive: true });
}

/** Step by step: what this process takes of memory at its peak is measured. */
function copyFirst(from: string, to: string, count: number): void {
  const [source, target] = [openSync(from, 'r'), openSync(to, 'w')];
  const step = new Uint8Array(256 * 1024);
  for (let at = 0; at < count; ) {
    const bytes = readSync(source, step, 0, Math.min(step.length, count - at), at);
    if (bytes === 0) break;
    at += writeSync(target, step, 0, bytes, at);
  }
  closeSync(source);
  closeSync(target);
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
await practise(from, `${to}-practice`);
execFileSync('cp', ['--', from, to]);
rmSync(to);
const cpuBefore = process.cpuUsage();
const startMs = systemClock.now();
await (order.doing === 'ingest' ? ingest(store, order.path) : rebuild(store, order.path));
const seconds = (systemClock.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const peakRssMiB = process.resourceUsage().maxRSS / 1024;
const storedBytes = packFileBytes();
if (order.encoding === 'zstd' && storedBytes > 0.7 * statSync(order.path).size) {
  throw new Error('the image is to be ingested with encoded pieces, and takes as much room as with plain ones');
}
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakRssMiB, storedBytes }));
await compute.close();
await store.close();
