import { describe, expect, test } from 'vitest';
import { cdc64k, fixed64k } from '../src/cutter-spec.ts';
import { extentAt, extentsOf } from '../src/extents.ts';
import { publicDomain } from '../src/ids.ts';
import type { PackId } from '../src/ids.ts';
import { limits } from '../src/limits.ts';
import { createManifestBuilder } from '../src/manifest-builder.ts';
import type { ManifestBuilder } from '../src/manifest-builder.ts';
import { decodeManifest, encodeManifest } from '../src/manifest-codec.ts';
import { refusal } from './hostile.ts';

const [packA, packB] = ['aa'.repeat(32) as PackId, 'bb'.repeat(32) as PackId];
const one = 65536;
const fixed = (): ManifestBuilder => createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
const byContent = (): ManifestBuilder => createManifestBuilder({ domain: publicDomain, cutter: cdc64k });

describe('the manifest builder', () => {
  test('merges zeros with zeros and a chunk with the one before it in its pack', () => {
    const builder = fixed();
    builder.addZeros(one);
    builder.addZeros(2 * one);
    builder.addChunk(packA, 7, one);
    builder.addChunk(packA, 8, one);
    builder.addChunk(packB, 9, one);
    builder.addChunk(packB, 9, one);
    builder.addChunk(packA, 9, 5);
    expect([...extentsOf(builder.build())]).toEqual([
      { kind: 'zeros', offset: 0, length: 3 * one },
      { kind: 'chunks', offset: 3 * one, length: 2 * one, pack: packA, firstChunk: 7, chunkCount: 2 },
      { kind: 'chunks', offset: 5 * one, length: one, pack: packB, firstChunk: 9, chunkCount: 1 },
      { kind: 'chunks', offset: 6 * one, length: one, pack: packB, firstChunk: 9, chunkCount: 1 },
      { kind: 'chunks', offset: 7 * one, length: 5, pack: packA, firstChunk: 9, chunkCount: 1 },
    ]);
  });

  test('makes a whole pack one extent', () => {
    const builder = fixed();
    for (let chunk = 0; chunk < 4096; chunk += 1) builder.addChunk(packA, chunk, one);
    const manifest = builder.build();
    expect(extentAt(manifest, 0)).toMatchObject({ firstChunk: 0, chunkCount: 4096, length: 2 ** 28 });
    expect(manifest.extents.count).toBe(1);
    expect(decodeManifest(encodeManifest(manifest), manifest.id)).toEqual(manifest);
  });

  test('can build more than once, each time what was added until then', () => {
    const builder = fixed();
    builder.addZeros(one);
    const early = builder.build();
    builder.addChunk(packA, 0, 3);
    const late = builder.build({ hash: { algorithm: 'sha256', value: 'ab'.repeat(32) } });
    expect([early.imageBytes, late.imageBytes, builder.imageBytes]).toEqual([one, one + 3, one + 3]);
    expect(early.packs).toEqual([]);
    expect(late.hash?.algorithm).toBe('sha256');
    expect(late.id).not.toBe(early.id);
  });

  test('takes the hash at the start or at the end', () => {
    const hash = { algorithm: 'sha512', value: '0f'.repeat(64) } as const;
    const early = createManifestBuilder({ domain: publicDomain, cutter: fixed64k, hash }).build();
    expect(early).toEqual(fixed().build({ hash }));
  });

  test('grows through many extents without losing one', () => {
    const builder = byContent();
    for (let i = 0; i < 1000; i += 1) builder.addChunk(i % 2 ? packA : packB, i, 20000 + i);
    const manifest = builder.build();
    expect(manifest.extents.count).toBe(1000);
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
    expect(() => extentAt(manifest, 1000)).toThrow(RangeError);
  });
});

describe('the manifest builder refuses', () => {
  test.for([
    ['a chunk after a short one', (b: ManifestBuilder) => (b.addChunk(packA, 0, 5), b.addChunk(packA, 1, one))],
    ['zeros after a short chunk', (b: ManifestBuilder) => (b.addChunk(packA, 0, 5), b.addZeros(one))],
    [
      'a chunk after zeros that are not whole chunks',
      (b: ManifestBuilder) => (b.addZeros(one + 1), b.addChunk(packA, 1, one)),
    ],
    ['a chunk larger than the cutter makes', (b: ManifestBuilder) => b.addChunk(packA, 0, one + 1)],
    ['a chunk of no bytes', (b: ManifestBuilder) => b.addChunk(packA, 0, 0)],
    ['a run of no zeros', (b: ManifestBuilder) => b.addZeros(0)],
    ['a chunk that no pack has', (b: ManifestBuilder) => b.addChunk(packA, 4096, one)],
  ] as const)('%s, as a mistake of the caller', ([, misuse]) => {
    expect(() => misuse(fixed())).toThrow(TypeError);
  });

  test('an image over 16 TiB', () => {
    const builder = byContent();
    builder.addZeros(2 ** 44);
    expect(builder.build().imageBytes).toBe(2 ** 44);
    expect(refusal(() => builder.addChunk(packA, 0, 16384))).toBe('CONTENT_TOO_LARGE');
  });

  test('a pack over the limit of packs', () => {
    const builder = fixed();
    for (let i = 0; i < limits.maxManifestPacks; i += 1)
      builder.addChunk(i.toString(16).padStart(64, '0') as PackId, 0, one);
    expect(refusal(() => builder.addChunk(packA, 0, one))).toBe('CONTENT_TOO_LARGE');
    expect(builder.build().imageBytes).toBe(limits.maxManifestPacks * one);
  });

  test('an extent over the limit of extents', () => {
    const builder = fixed();
    for (let i = 0; i < limits.maxManifestExtents; i += 1) builder.addChunk(packA, (i % 2) * 9, one);
    expect(refusal(() => builder.addChunk(packB, 100, one))).toBe('CONTENT_TOO_LARGE');
    expect(refusal(() => builder.addZeros(one))).toBe('CONTENT_TOO_LARGE');
    expect(builder.build()).toMatchObject({ imageBytes: limits.maxManifestExtents * one, packs: [packA] });
  });
});
