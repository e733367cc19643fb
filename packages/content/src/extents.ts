import { addRun, createChunkSet } from './chunk-set.ts';
import type { ChunkSet } from './chunk-set.ts';
import { ContentError } from './content-error.ts';
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
 *   pack belongs to a domain whose chunks this image may not use; and whatever `descriptorOf` throws
 */
export function chunkNeeds(manifest: Manifest, descriptorOf: (pack: PackId) => PackDescriptor): Map<PackId, ChunkSet> {
  const descriptors = manifest.packs.map((pack) => checkedDescriptor(manifest, pack, descriptorOf(pack)));
  const needs = descriptors.map(({ chunkCount }) => createChunkSet(chunkCount));
  const { count, offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  for (let i = 0; i < count; i += 1) {
    const pack = packs[i] ?? ZEROS;
    const descriptor = descriptors[pack];
    const need = needs[pack];
    if (descriptor === undefined || need === undefined) continue;
    const first = firstChunks[i] ?? 0;
    const end = offsets[i + 1] ?? 0;
    checkExtent(manifest, descriptor, {
      index: i,
      first,
      count: chunkCounts[i] ?? 0,
      length: end - (offsets[i] ?? 0),
      end,
    });
    addRun(need, first, chunkCounts[i] ?? 0);
  }
  return new Map(manifest.packs.map((pack, index) => [pack, needs[index] as ChunkSet]));
}

function checkedDescriptor(manifest: Manifest, pack: PackId, descriptor: PackDescriptor): PackDescriptor {
  if (descriptor.id !== pack) throw new TypeError(`asked for the descriptor of ${pack}, got that of ${descriptor.id}`);
  if (descriptor.domain === manifest.domain || descriptor.domain === publicDomain) return descriptor;
  throw new ContentError(
    'CONTENT_MALFORMED',
    `manifest ${manifest.id} of ${manifest.domain} uses pack ${pack}, which belongs to ${descriptor.domain}`,
    { details: { manifest: manifest.id, pack, domain: manifest.domain, packDomain: descriptor.domain } },
  );
}

function checkExtent(
  manifest: Manifest,
  descriptor: PackDescriptor,
  extent: {
    readonly index: number;
    readonly first: number;
    readonly count: number;
    readonly length: number;
    readonly end: number;
  },
): void {
  const { cutter } = manifest;
  const last = extent.first + extent.count - 1;
  let problem: string | undefined;
  if (last >= descriptor.chunkCount) problem = `names chunk ${last} of ${descriptor.chunkCount}`;
  let bytes = 0;
  for (let chunk = extent.first; chunk <= last && problem === undefined; chunk += 1) {
    const length = chunkLength(descriptor, chunk);
    const isImageEnd = chunk === last && extent.end === manifest.imageBytes;
    if (length > cutter.maxBytes || (length < cutter.minBytes && !isImageEnd)) {
      problem = `has chunk ${chunk} of ${length} bytes, which ${cutter.name} does not make`;
    }
    bytes += length;
  }
  if (problem === undefined && bytes !== extent.length)
    problem = `has ${extent.length} bytes of chunks that have ${bytes}`;
  if (problem === undefined) return;
  throw new ContentError(
    'CONTENT_MALFORMED',
    `extent ${extent.index} of manifest ${manifest.id} does not fit pack ${descriptor.id}: it ${problem}`,
    { details: { manifest: manifest.id, pack: descriptor.id, extent: extent.index } },
  );
}
