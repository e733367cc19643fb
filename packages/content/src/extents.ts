import { addRun, createChunkSet } from './chunk-set.ts';
import type { ChunkSet } from './chunk-set.ts';
import { ContentError } from './content-error.ts';
import type { CutterSpec } from './cutter-spec.ts';
import { ZEROS } from './extent-rules.ts';
import { publicDomain } from './ids.ts';
import type { PackId } from './ids.ts';
import type { Extent, Manifest } from './manifest.ts';
import { chunkLength } from './pack-descriptor.ts';
import type { PackDescriptor } from './pack-descriptor.ts';

/** The extents in image order, one object each: for small images and for tests. Hot paths read the columns. */
export function* extentsOf(manifest: Manifest): Generator<Extent> {
  for (let i = 0; i < manifest.extents.count; i += 1) yield extentAt(manifest, i);
}

/** @throws RangeError if there is no extent `index` */
export function extentAt(manifest: Manifest, index: number): Extent {
  const { offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  const [offset, end, packIndex] = [offsets[index], offsets[index + 1], packs[index]];
  if (offset === undefined || end === undefined || packIndex === undefined) throw new RangeError(`no extent ${index}`);
  const length = end - offset;
  const pack = manifest.packs[packIndex];
  if (pack === undefined) return { kind: 'zeros', offset, length };
  return {
    kind: 'chunks',
    offset,
    length,
    pack,
    firstChunk: firstChunks[index] ?? 0,
    chunkCount: chunkCounts[index] ?? 0,
  };
}

/**
 * Which chunks of which packs make the image; packs in the manifest's order. A manifest can be checked against its packs only here, where both
 * are at hand, so whoever rebuilds passes through: what comes back adds up to the image exactly.
 * @throws ContentError CONTENT_MALFORMED if an extent names a chunk that its pack has not, or a length that its chunks do not add up to, or if a
 *   pack belongs to a domain whose chunks this image may not use, or is private and named without its secret; and whatever `descriptorOf` throws
 */
export function chunkNeeds(manifest: Manifest, descriptorOf: (pack: PackId) => PackDescriptor): Map<PackId, ChunkSet> {
  const used = manifest.packs.map((pack) => usePack(manifest, pack, descriptorOf(pack)));
  const { count, offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  for (let i = 0; i < count; i += 1) {
    const pack = used[packs[i] ?? ZEROS];
    if (pack === undefined) continue;
    const first = firstChunks[i] ?? 0;
    const chunkCount = chunkCounts[i] ?? 0;
    const end = offsets[i + 1] ?? 0;
    const extent = {
      first,
      end: first + chunkCount,
      bytes: end - (offsets[i] ?? 0),
      isLast: end === manifest.imageBytes,
    };
    const problem = misfit(manifest.cutter, pack, extent);
    if (problem !== undefined) {
      throw new ContentError(
        'CONTENT_MALFORMED',
        `extent ${i} of manifest ${manifest.id} does not fit pack ${pack.descriptor.id}: it ${problem}`,
        { details: { manifest: manifest.id, pack: pack.descriptor.id, extent: i } },
      );
    }
    addRun(pack.needed, first, chunkCount);
  }
  return new Map(used.map(({ descriptor, needed }) => [descriptor.id, needed]));
}

/**
 * Why this image may not be made of that pack, or undefined. Locators are heard by everybody: who names a private pack by its locator alone has not
 * shown that its chunks are theirs to use.
 */
export function packMisuse(manifest: Manifest, descriptor: PackDescriptor): string | undefined {
  const { id, domain } = descriptor;
  if (domain !== manifest.domain && domain !== publicDomain) {
    return `manifest ${manifest.id} of ${manifest.domain} uses pack ${id}, which belongs to ${domain}`;
  }
  if (descriptor.secret && !manifest.secrets.has(id)) {
    return `manifest ${manifest.id} uses the private pack ${id} without naming its secret`;
  }
  return undefined;
}

interface UsedPack {
  readonly descriptor: PackDescriptor;
  readonly needed: ChunkSet;
  /** Entry `i`: how many of the chunks before `i` have a length that the manifest's cutter does not make. */
  readonly oddBefore: Uint16Array;
}

function usePack(manifest: Manifest, pack: PackId, descriptor: PackDescriptor): UsedPack {
  if (descriptor.id !== pack) throw new TypeError(`asked for the descriptor of ${pack}, got that of ${descriptor.id}`);
  const misuse = packMisuse(manifest, descriptor);
  if (misuse !== undefined) {
    throw new ContentError('CONTENT_MALFORMED', misuse, {
      details: { manifest: manifest.id, pack, domain: manifest.domain, packDomain: descriptor.domain },
    });
  }
  const oddBefore = new Uint16Array(descriptor.chunkCount + 1);
  for (let chunk = 0; chunk < descriptor.chunkCount; chunk += 1) {
    const length = chunkLength(descriptor, chunk);
    const isOdd = length < manifest.cutter.minBytes || length > manifest.cutter.maxBytes;
    oddBefore[chunk + 1] = (oddBefore[chunk] ?? 0) + Number(isOdd);
  }
  return { descriptor, needed: createChunkSet(descriptor.chunkCount), oddBefore };
}

/** What is wrong with chunks [first, end) of a pack as an extent of so many bytes, or undefined. */
function misfit(
  cutter: CutterSpec,
  { descriptor, oddBefore }: UsedPack,
  extent: { readonly first: number; readonly end: number; readonly bytes: number; readonly isLast: boolean },
): string | undefined {
  const { first, end } = extent;
  if (end > descriptor.chunkCount) return `names chunk ${end - 1} of ${descriptor.chunkCount}`;
  // The image's last chunk alone may be shorter than the cutter's smallest.
  const mayBeShort = extent.isLast && chunkLength(descriptor, end - 1) <= cutter.maxBytes;
  const checkedEnd = mayBeShort ? end - 1 : end;
  if (oddBefore[checkedEnd] !== oddBefore[first]) return `has chunks of lengths that ${cutter.name} does not make`;
  const bytes = (descriptor.offsets[end] ?? 0) - (descriptor.offsets[first] ?? 0);
  return bytes === extent.bytes ? undefined : `has ${extent.bytes} bytes of chunks that have ${bytes}`;
}
