// Holds FORMAT.md to the code: its limits are compared, its examples decoded and encoded again.
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cdc64k, fixed64k } from '../src/cutter-spec.ts';
import { createCutter } from '../src/cutter.ts';
import { digestHex, digestOf } from '../src/digest.ts';
import { chunkNeeds } from '../src/extents.ts';
import { GEAR } from '../src/gear.ts';
import { domain, imageRef, packId, publicDomain } from '../src/ids.ts';
import { decodeImageRecord, encodeImageRecord, signImageRecord, verifyImageRecord } from '../src/image-record-codec.ts';
import { encodeImageKey, imageLocator, imageSecret, makeGoneVoucher, makeImageProof } from '../src/image-key.ts';
import { limits } from '../src/limits.ts';
import { createManifestBuilder } from '../src/manifest-builder.ts';
import { decodeManifest, encodeManifest } from '../src/manifest-codec.ts';
import type { Manifest } from '../src/manifest.ts';
import { createPackDescriptor, decodePackDescriptor, encodePackDescriptor } from '../src/pack-codec.ts';
import type { PackDescriptor } from '../src/pack-descriptor.ts';
import { checkPackProof, makePackProof } from '../src/pack-proof.ts';
import { packLocator } from '../src/pack-secret.ts';
import { decodeTicket, encodeTicket, signTicket, verifyTicket } from '../src/ticket.ts';

const page = readFileSync(join(import.meta.dirname, '..', 'FORMAT.md'), 'utf8');
const examples = new Map(
  [...page.matchAll(/<!-- example: ([a-z-]+) -->\n```\n([^`]*)```/g)].map(([, name, text]) => [
    name,
    (text ?? '').trim(),
  ]),
);
const example = (name: string): string => examples.get(name) ?? `FORMAT.md has no example "${name}"`;
const exampleBytes = (name: string): Uint8Array => Buffer.from(example(name).replaceAll(/\s/g, ''), 'hex');
const wrapped = (bytes: Uint8Array): string =>
  (
    Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,64}/g) ?? []
  ).join('\n');

function packOf(owner: ReturnType<typeof domain>, chunks: readonly Uint8Array[]): PackDescriptor {
  return createPackDescriptor({
    domain: owner,
    digests: Buffer.concat(chunks.map((chunk) => digestOf(chunk))),
    lengths: chunks.map((chunk) => chunk.length),
    salt: owner === publicDomain ? undefined : new Uint8Array(32).fill(0x5a),
  });
}

const project = domain('project:p1');
const uniform = packOf(publicDomain, [new Uint8Array(65536).fill(1), Buffer.from('quarry')]);
const table = packOf(project, [new Uint8Array(16384).fill(2), new Uint8Array(16385).fill(3), Buffer.from('end')]);
const descriptorOf = (id: string): PackDescriptor => (id === uniform.id ? uniform : table);

function fixedManifest(): Manifest {
  const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
  builder.addZeros(131072);
  builder.addChunk(uniform.id, 0, 65536);
  builder.addChunk(uniform.id, 0, 65536);
  builder.addChunk(uniform.id, 1, 6);
  return builder.build();
}

function contentManifest(): Manifest {
  const builder = createManifestBuilder({ domain: project, cutter: cdc64k });
  if (table.secret) builder.addSecret(table.id, table.secret);
  builder.addChunk(table.id, 1, 16385);
  builder.addChunk(uniform.id, 0, 65536);
  builder.addZeros(300000);
  builder.addChunk(table.id, 0, 16384);
  builder.addChunk(table.id, 2, 3);
  return builder.build({ hash: { algorithm: 'sha256', value: `${'00'.repeat(31)}ff` } });
}

/** RFC 8032, section 7.1, test 1. */
const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
const rfcKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
const rfcSigner = {
  publicKey: Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex'),
  sign: async (bytes: Uint8Array): Promise<Uint8Array> => sign(null, bytes, rfcKey),
};

describe('FORMAT.md', () => {
  test('names every limit of the code with its value, and no other', () => {
    const section = page.slice(page.indexOf('## Limits'), page.indexOf('## Ids'));
    const rows = [...section.matchAll(/^\| `([A-Za-z]+)` \| (\d+) \|/gm)].map(([, name, value]) => [
      name,
      Number(value),
    ]);
    expect(Object.fromEntries(rows)).toEqual({ ...limits });
  });

  test('names the parameters of both cutters', () => {
    expect(page).toContain(`${fixed64k.minBytes} ${fixed64k.meanBytes} ${fixed64k.maxBytes}`);
    expect(page).toContain(`${cdc64k.minBytes} ${cdc64k.meanBytes} ${cdc64k.maxBytes}`);
    expect([cdc64k.minBytes, cdc64k.meanBytes, cdc64k.maxBytes]).toEqual([
      limits.cdcMinBytes,
      limits.cdcMeanBytes,
      limits.cdcMaxBytes,
    ]);
    expect(fixed64k.maxBytes).toBe(limits.fixedChunkBytes);
  });

  test('has a digest that everybody can check', () => {
    expect(example('digest-empty')).toBe(digestHex(new Uint8Array(0)));
  });

  test('has the gear and what it cuts', () => {
    const words = [...GEAR.subarray(0, 8), GEAR[255] ?? 0].map((word) => (word >>> 0).toString(16).padStart(8, '0'));
    expect(example('gear')).toBe(words.join(' '));
    const numbered = Array.from({ length: 32768 }, (_, i) => digestOf(new Uint8Array(Uint32Array.of(i).buffer)));
    const cutter = createCutter(cdc64k);
    const chunks = [...cutter.push(Buffer.concat(numbered)), ...cutter.end()];
    expect(example('cuts')).toBe(chunks.map((chunk) => chunk.length).join(' '));
  });

  test.for([
    ['pack-uniform', uniform],
    ['pack-table', table],
  ] as const)('has the bytes of %s', ([name, pack]) => {
    expect(example(name)).toBe(wrapped(encodePackDescriptor(pack)));
    expect(decodePackDescriptor(exampleBytes(name), packId(example(`${name}-id`)))).toEqual(pack);
  });

  test('has a secret, its locator, and a proof that it is known', () => {
    const { id, secret } = table;
    if (!secret) throw new Error('the pack of a project has a secret');
    expect(example('pack-table-secret')).toBe(wrapped(secret));
    expect(packLocator(exampleBytes('pack-table-secret'))).toBe(id);
    const peers = { asker: '12D3KooWA', server: '12D3KooWB' };
    expect(example('pack-proof')).toBe(wrapped(makePackProof(secret, peers)));
    expect(checkPackProof(exampleBytes('pack-proof'), secret, peers)).toBe(true);
  });

  test.for([
    ['manifest-fixed', fixedManifest()],
    ['manifest-content', contentManifest()],
  ] as const)('has the bytes of %s', ([name, manifest]) => {
    expect(example(name)).toBe(wrapped(encodeManifest(manifest)));
    expect(example(`${name}-id`)).toBe(manifest.id);
    expect(decodeManifest(exampleBytes(name), manifest.id)).toEqual(manifest);
    expect(chunkNeeds(manifest, descriptorOf).size).toBe(manifest.packs.length);
    expect(page).toContain(`${manifest.imageBytes.toLocaleString('en')} bytes`);
  });

  test('has the bytes of a record that verifies', async () => {
    const manifest = fixedManifest();
    const record = await signImageRecord(
      {
        ref: imageRef('debian-13'),
        domain: publicDomain,
        imageBytes: manifest.imageBytes,
        hash: undefined,
        manifest: manifest.id,
        publishedAtMs: 1750000000000,
      },
      rfcSigner,
    );
    expect(example('record')).toBe(wrapped(encodeImageRecord(record)));
    verifyImageRecord(decodeImageRecord(exampleBytes('record')));
  });

  test('has the bytes of an image key and what is made of it', () => {
    const key = {
      ref: imageRef('debian-13'),
      imageBytes: 262_150,
      hash: { algorithm: 'sha256' as const, value: `${'00'.repeat(31)}ff` },
    };
    const secret = imageSecret(key);
    expect(example('image-key')).toBe(wrapped(encodeImageKey(key)));
    expect(example('image-locator')).toBe(imageLocator(key));
    expect(example('image-secret')).toBe(wrapped(secret));
    expect(example('image-proof')).toBe(wrapped(makeImageProof(secret, '12D3KooWA', '12D3KooWB')));
    expect(example('image-gone')).toBe(wrapped(makeGoneVoucher(secret, '12D3KooWA')));
  });

  test('has the bytes of a ticket that verifies', async () => {
    const fields = { manifest: fixedManifest().id, bearer: '12D3KooWA', expiresAtMs: 1_750_000_060_000 };
    const ticket = await signTicket(fields, rfcSigner);
    expect(example('ticket')).toBe(wrapped(encodeTicket(ticket)));
    verifyTicket(decodeTicket(exampleBytes('ticket')));
  });

  test('is right that digests, lengths and extents take 0.05 % of an image', () => {
    for (const [cutter, length] of [
      [fixed64k, 65536],
      [cdc64k, 75000],
    ] as const) {
      const builder = createManifestBuilder({ domain: publicDomain, cutter });
      let bytes = 0;
      for (let pack = 0; pack < 4; pack += 1) {
        const digests = Buffer.concat(Array.from({ length: 4096 }, (_, i) => digestOf(Buffer.from(`${pack} ${i}`))));
        const lengths = Array<number>(4096).fill(length);
        const descriptor = createPackDescriptor({ domain: publicDomain, digests, lengths });
        bytes += encodePackDescriptor(descriptor).length;
        for (let chunk = 0; chunk < 4096; chunk += 1) builder.addChunk(descriptor.id, chunk, length);
      }
      const manifest = builder.build();
      expect((bytes + encodeManifest(manifest).length) / manifest.imageBytes).toBeLessThan(0.0005);
    }
  });
});
