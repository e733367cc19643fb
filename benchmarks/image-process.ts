// One ingest or rebuild, told by the JSON in the first argument; prints a Sample. Opening the store is not measured, what the image package does is.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { imageRef, publicDomain } from '@quarry/content';
import type { Signer } from '@quarry/content';
import { ingestImage, rebuildImage } from '@quarry/image';
import { createBufferPool, silentLogger, systemClock, systemRandom } from '@quarry/runtime';
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
}

const ref = imageRef('bench');
const NEVER = 2 ** 50;
const READ_BYTES = 2 ** 20;
const pool = createBufferPool({ bufferBytes: READ_BYTES, maxFree: 64 });
const order = JSON.parse(process.argv[2] ?? '') as ImageOrder;

function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey: new Uint8Array(raw), sign: async (bytes) => sign(null, bytes, privateKey) };
}

async function* fileBytes(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    for (;;) {
      const buffer = pool.take();
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function work({ packs: store, images: catalog }: DiskStore): Promise<void> {
  const { path, isDurable } = order;
  const deps = {
    store,
    catalog,
    signer: createSigner(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  };
  if (order.doing === 'ingest') {
    await ingestImage(deps, { ref, domain: publicDomain, bytes: fileBytes(path), pool }, { isDurable });
    return;
  }
  const [record] = await catalog.findRecords(ref);
  const manifest = record && (await catalog.findManifest(record.manifest));
  if (!manifest) throw new Error('nothing was ingested into this store');
  await rebuildImage(deps, manifest, path, { isDurable });
}

const lazy = { syncBytes: NEVER, syncDelayMs: 2 ** 30, maxUnsyncedBytes: NEVER };
const options = { directory: order.store, ...(order.isDurable ? {} : lazy) };
const store = await createDiskStore({ clock: systemClock, logger: silentLogger }, options);
const [from, to] = order.warmUp;
execFileSync('cp', ['--', from, to]);
rmSync(to);
const cpuBefore = process.cpuUsage();
const startMs = systemClock.now();
await work(store);
const seconds = (systemClock.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
console.log(
  JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakRssMiB: process.resourceUsage().maxRSS / 1024 }),
);
await store.close();
