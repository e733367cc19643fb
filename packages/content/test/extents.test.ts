import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunksOf } from '../src/chunk-set.ts';
import { cdc64k, fixed64k } from '../src/cutter-spec.ts';
import { chunkNeeds, extentsOf } from '../src/extents.ts';
import { domain, publicDomain } from '../src/ids.ts';
import type { Domain } from '../src/ids.ts';
import { createManifestBuilder } from '../src/manifest-builder.ts';
import { createPackDescriptor } from '../src/pack-codec.ts';
import type { PackDescriptor } from '../src/pack-descriptor.ts';
import { anyFitting, digests } from './arbitraries.ts';
import { refusal } from './hostile.ts';

const one = 65536;
const pack = (lengths: number[], owner: Domain = publicDomain): PackDescriptor =>
  createPackDescriptor({
    domain: owner,
    lengths,
    digests: digests(lengths.length),
    salt: owner === publicDomain ? undefined : new Uint8Array(32),
  });

describe('the extents of any manifest', () => {
  test('cover the image from its first byte to its last without gaps', () => {
    fc.assert(
      fc.property(anyFitting, ({ manifest }) => {
        let offset = 0;
        for (const extent of extentsOf(manifest)) {
          expect(extent.offset).toBe(offset);
          offset += extent.length;
        }
        expect(offset).toBe(manifest.imageBytes);
      }),
    );
  });

  test('need exactly the chunks that they name, of packs in the order of the manifest', () => {
    fc.assert(
      fc.property(anyFitting, ({ manifest, descriptors }) => {
        const named = new Map(manifest.packs.map((id) => [id, new Set<number>()]));
        for (const extent of extentsOf(manifest)) {
          if (extent.kind === 'zeros') continue;
          for (let i = 0; i < extent.chunkCount; i += 1) named.get(extent.pack)?.add(extent.firstChunk + i);
        }
        const needs = chunkNeeds(manifest, (id) => descriptors.get(id) as PackDescriptor);
        expect([...needs.keys()]).toEqual(manifest.packs);
        for (const [id, set] of needs) {
          expect([...chunksOf(set)]).toEqual([...(named.get(id) ?? [])].toSorted((a, b) => a - b));
        }
      }),
    );
  });
});

describe('a manifest that does not fit its packs', () => {
  const needsOf = (owner: Domain, given: PackDescriptor, chunk: number, length: number, cutter = fixed64k): unknown => {
    const builder = createManifestBuilder({ domain: owner, cutter });
    if (given.secret && owner !== publicDomain) builder.addSecret(given.id, given.secret);
    builder.addChunk(given.id, chunk, length);
    return chunkNeeds(builder.build(), () => given);
  };
  const project = domain('project:p');

  test("is refused for a chunk after the pack's last", () => {
    expect(refusal(() => needsOf(publicDomain, pack([one]), 1, one))).toBe('CONTENT_MALFORMED');
  });

  test('is refused for a length that the chunks do not add up to', () => {
    expect(refusal(() => needsOf(publicDomain, pack([one]), 0, one - 1))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => needsOf(publicDomain, pack([one - 1]), 0, one))).toBe('CONTENT_MALFORMED');
  });

  test('is refused for chunks that its cutter does not make, although they add up', () => {
    const odd = pack([one - 1, one + 1, one]);
    const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
    for (const chunk of [0, 1, 2]) builder.addChunk(odd.id, chunk, one);
    expect(refusal(() => chunkNeeds(builder.build(), () => odd))).toBe('CONTENT_MALFORMED');
  });

  test("is refused for a short chunk that is not the image's last", () => {
    const short = pack([100, 30000]);
    const builder = createManifestBuilder({ domain: publicDomain, cutter: cdc64k });
    builder.addChunk(short.id, 0, 16384);
    builder.addChunk(short.id, 1, 13716);
    expect(refusal(() => chunkNeeds(builder.build(), () => short))).toBe('CONTENT_MALFORMED');
  });

  test('is refused for a pack of another project, not for a public one', () => {
    expect(refusal(() => needsOf(project, pack([one], domain('project:q')), 0, one))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => needsOf(publicDomain, pack([one], project), 0, one))).toBe('CONTENT_MALFORMED');
    expect(needsOf(project, pack([one], project), 0, one)).toBeInstanceOf(Map);
    expect(needsOf(project, pack([one]), 0, one)).toBeInstanceOf(Map);
  });

  test('is refused for a private pack that it names by its locator alone, as whoever heard that could', () => {
    const ours = pack([one], project);
    const builder = createManifestBuilder({ domain: project, cutter: fixed64k });
    builder.addChunk(ours.id, 0, one);
    expect(refusal(() => chunkNeeds(builder.build(), () => ours))).toBe('CONTENT_MALFORMED');
    builder.addSecret(ours.id, ours.secret as Uint8Array);
    expect(chunkNeeds(builder.build(), () => ours)).toBeInstanceOf(Map);
  });

  test('is a mistake of the caller when the descriptor is that of another pack', () => {
    const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
    builder.addChunk(pack([one]).id, 0, one);
    expect(() => chunkNeeds(builder.build(), () => pack([one, 1]))).toThrow(TypeError);
  });
});
