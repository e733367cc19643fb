// What a node that holds some images would fetch for another, by the real ingest, against the count of a script that shares no code with it.
import { generateKeyPairSync, sign } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageRef, publicDomain, type Signer } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import { type IngestReport, ingestImage } from '@quarry/image';
import { silentLogger, systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeCorpus } from '../corpus/make-corpus.ts';
import { missingTools } from '../corpus/missing-tools.ts';
import { uniqueBytes } from '../dedup/unique-chunks.ts';

const missing = missingTools();
let dir = '';

beforeAll(async () => {
  if (missing.length > 0) return;
  dir = await mkdtemp(join(tmpdir(), 'quarry-dedup-'));
  await makeCorpus({ dir, scale: 1, seed: 1 });
});
afterAll(async () => {
  if (dir !== '') await rm(dir, { recursive: true });
});
beforeEach(({ skip }) =>
  skip(missing.length > 0, `not installed: ${missing.join(', ')} (Debian: qemu-utils, e2fsprogs)`),
);

function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)),
    sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}

/** Ingests the images one after the other into one store; the report of the last. */
async function ingestAll(names: readonly string[]): Promise<IngestReport> {
  const store = createMemoryPackStore();
  const deps = {
    store,
    catalog: createMemoryImageCatalog(),
    signer: createSigner(),
    clock: systemClock,
    logger: silentLogger,
  };
  let report: IngestReport | undefined;
  try {
    for (const name of names) {
      const path = join(dir, name);
      const imageBytes = (await stat(path)).size;
      const source = { ref: imageRef(name), domain: publicDomain, bytes: createReadStream(path), imageBytes };
      ({ report } = await ingestImage(deps, source));
    }
  } finally {
    await store.close();
  }
  if (!report) throw new Error('there is no image to ingest');
  return report;
}

describe('what a node fetches', () => {
  test.for([
    { held: [], wanted: 'base.qcow2', cutter: 'fixed-64k' },
    { held: ['base.qcow2'], wanted: 'light.qcow2', cutter: 'fixed-64k' },
    { held: ['base.qcow2'], wanted: 'app.qcow2', cutter: 'fixed-64k' },
    { held: ['base.qcow2'], wanted: 'app2.qcow2', cutter: 'fixed-64k' },
    { held: ['base.qcow2', 'app.qcow2'], wanted: 'app2.qcow2', cutter: 'fixed-64k' },
    { held: ['base.raw'], wanted: 'light.raw', cutter: 'fixed-64k' },
    { held: ['base.raw'], wanted: 'app.raw', cutter: 'fixed-64k' },
    { held: ['base.raw'], wanted: 'app2.qcow2', cutter: 'fixed-64k' },
    { held: [], wanted: 'base.c.qcow2', cutter: 'cdc-64k' },
    { held: ['base.c.qcow2'], wanted: 'app.c.qcow2', cutter: 'cdc-64k' },
  ] as const)('of $wanted, holding $held, is what the script counts, to the byte', async ({ held, wanted, cutter }) => {
    const expected = await uniqueBytes(
      held.map((name) => join(dir, name)),
      join(dir, wanted),
      cutter,
    );
    const report = await ingestAll([...held, wanted]);
    expect(report.cutter).toBe(cutter);
    expect(expected.bytes).toBeGreaterThan(0);
    expect(report.newBytes).toBe(expected.bytes);
  });
});
