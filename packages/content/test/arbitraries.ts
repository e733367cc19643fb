import fc from 'fast-check';
import { cdc64k, fixed64k } from '../src/cutter-spec.ts';
import type { CutterSpec } from '../src/cutter-spec.ts';
import { digestOf } from '../src/digest.ts';
import { domain, imageRef, manifestIdFrom, publicDomain } from '../src/ids.ts';
import type { Domain, PackId } from '../src/ids.ts';
import type { ImageHash } from '../src/image-hash.ts';
import type { ImageRecordFields } from '../src/image-record-codec.ts';
import { createManifestBuilder } from '../src/manifest-builder.ts';
import type { Manifest } from '../src/manifest.ts';
import { unsalted } from '../src/conformance/sample-pack.ts';
import { createPackDescriptor } from '../src/pack-codec.ts';
import type { PackDescriptor } from '../src/pack-descriptor.ts';

export const anyDomain: fc.Arbitrary<Domain> = fc.oneof(
  fc.constant(publicDomain),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/).map((id) => domain(`project:${id}`)),
);

export const anyHash: fc.Arbitrary<ImageHash | undefined> = fc.option(
  fc
    .constantFrom(
      ['sha512', 64] as const,
      ['sha256', 32] as const,
      ['sha384', 48] as const,
      ['blake2b512', 64] as const,
    )
    .chain(([algorithm, bytes]) =>
      fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => ({
        algorithm,
        value: Buffer.from(value).toString('hex'),
      })),
    ),
  { nil: undefined },
);

/** `count` different digests. */
export function digests(count: number, salt: number = 0): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, i) => digestOf(Buffer.from(`${salt} ${i}`))));
}

/** Lengths as both modes of the descriptor know them, and around the edges between the two. */
const anyLengths: fc.Arbitrary<number[]> = fc.oneof(
  fc
    .tuple(fc.nat(40), fc.integer({ min: 1, max: 65536 }))
    .map(([full, last]) => [...Array<number>(full).fill(65536), last]),
  fc.array(fc.oneof(fc.constantFrom(1, 65535, 65536, 65537, 262144), fc.integer({ min: 1, max: 262144 })), {
    minLength: 1,
    maxLength: 40,
  }),
);

/** A public pack, a project's, or a project's as older builds made it. */
export const anyDescriptor: fc.Arbitrary<PackDescriptor> = fc
  .record({ domain: anyDomain, lengths: anyLengths, seed: fc.nat(), isOlder: fc.boolean() })
  .map(({ domain: owner, lengths, seed, isOlder }) => packOf(owner, lengths, seed, isOlder));

function packOf(owner: Domain, lengths: readonly number[], seed: number, isOlder: boolean): PackDescriptor {
  const salt = owner === publicDomain ? undefined : digestOf(Buffer.from(`salt ${seed % 3}`));
  const pack = createPackDescriptor({ domain: owner, lengths, digests: digests(lengths.length, seed), salt });
  return isOlder ? unsalted(pack) : pack;
}

/** A manifest and the packs it fits. */
export interface Fitting {
  readonly manifest: Manifest;
  readonly descriptors: ReadonlyMap<PackId, PackDescriptor>;
}

export const anyFitting: fc.Arbitrary<Fitting> = fc
  .record({
    cutter: fc.constantFrom(fixed64k, cdc64k),
    owner: anyDomain,
    isOlder: fc.boolean(),
    hash: anyHash,
    packChunks: fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 4 }),
    salt: fc.nat(),
    steps: fc.array(fc.tuple(fc.nat(5), fc.nat(), fc.nat(6)), { maxLength: 40 }),
    lastBytes: fc.option(fc.integer({ min: 1, max: 16383 })),
  })
  .map(({ cutter, owner, isOlder, hash, packChunks, salt, steps, lastBytes }) => {
    const packs = packChunks.map((count, index) => {
      const lengths = Array.from({ length: count }, (_, i) => lengthOf(cutter, salt + index * 31 + i * 7));
      if (lastBytes !== null) lengths.push(lastBytes);
      return packOf(index % 2 === 0 ? publicDomain : owner, lengths, salt + index, isOlder);
    });
    const builder = createManifestBuilder({ domain: owner, cutter });
    for (const { id, secret } of packs) if (secret) builder.addSecret(id, secret);
    for (const [kind, pick, run] of steps) {
      const pack = packs[kind % packs.length] as PackDescriptor;
      if (kind === 5) builder.addZeros((run + 1) * (cutter === fixed64k ? 65536 : 20000 + (pick % 1000)));
      else addRun(builder, pack, pick % (packChunks[kind % packs.length] ?? 1), run + 1, lastBytes !== null);
    }
    const first = packs[0] as PackDescriptor;
    if (lastBytes !== null) builder.addChunk(first.id, first.chunkCount - 1, lastBytes);
    return {
      manifest: builder.build({ hash }),
      descriptors: new Map(packs.map((pack) => [pack.id, pack])),
    };
  });

function lengthOf(cutter: CutterSpec, seed: number): number {
  return cutter.minBytes + ((seed * 7919) % (cutter.maxBytes - cutter.minBytes + 1));
}

function addRun(
  builder: { addChunk(pack: PackId, chunk: number, length: number): void },
  pack: PackDescriptor,
  first: number,
  count: number,
  hasShortChunk: boolean,
): void {
  const end = Math.min(first + count, pack.chunkCount - (hasShortChunk ? 1 : 0));
  for (let chunk = first; chunk < end; chunk += 1) {
    builder.addChunk(pack.id, chunk, (pack.offsets[chunk + 1] ?? 0) - (pack.offsets[chunk] ?? 0));
  }
}

export const anyRecordFields: fc.Arbitrary<ImageRecordFields> = fc.record({
  ref: fc
    .string({ unit: 'binary', minLength: 1, maxLength: 60 })
    .filter((text) => !/\p{Cc}/u.test(text))
    .map((text) => imageRef(text)),
  domain: anyDomain,
  imageBytes: fc.integer({ min: 0, max: 2 ** 44 }),
  hash: anyHash,
  manifest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => manifestIdFrom(bytes)),
  publishedAtMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
});

/** Valid bytes with a few bytes changed, taken away or put in. */
export function damaged(encoded: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({ at: fc.nat(), value: fc.nat(255), kind: fc.constantFrom('set', 'drop', 'insert', 'cut') });
  return fc.tuple(encoded, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([bytes, edits]) => {
    const out = [...bytes];
    for (const { at, value, kind } of edits) {
      const index = at % (out.length + 1);
      if (kind === 'set') out.splice(index, 1, value);
      else if (kind === 'drop') out.splice(index, 1);
      else if (kind === 'insert') out.splice(index, 0, value);
      else out.length = index;
    }
    return Uint8Array.from(out);
  });
}

export function* truncations(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length += 1) yield bytes.subarray(0, length);
}

export function* bitFlips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield flipped;
  }
}
