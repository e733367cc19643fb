import { chunksPerPieceFor, createPackDescriptor, publicDomain } from '@quarry/content';
import type { PackDescriptor, PackId } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { Storm, StormRun } from '@quarry/scenario';
import type { PieceMasks } from '@quarry/swarm/scheduler';

const CHUNK_BYTES = 64 * 1024;
const DIGEST_BYTES = 32;

/** The storm's packs as the swarm sees them: real descriptors of chunks that do not exist. */
export interface SimPacks {
  readonly descriptors: readonly PackDescriptor[];
  indexOf(pack: PackId): number;
}

export function createSimPacks(storm: Storm, random: Random): SimPacks {
  const descriptors = storm.packs.map(({ chunks }) =>
    createPackDescriptor({
      domain: publicDomain,
      digests: random.bytes(chunks * DIGEST_BYTES),
      lengths: Array.from({ length: chunks }, () => CHUNK_BYTES),
    }),
  );
  const indexes = new Map(descriptors.map(({ id }, index) => [id, index]));
  return {
    descriptors,
    indexOf(pack) {
      const index = indexes.get(pack);
      if (index === undefined) throw new TypeError(`no pack ${pack} in this storm`);
      return index;
    },
  };
}

/** Runs as masks: per pack of the storm, one mask a piece. */
export function masksOfRuns(storm: Storm, runs: readonly StormRun[]): Map<number, PieceMasks> {
  const masks = new Map<number, PieceMasks>();
  for (const { pack, firstChunk, chunkCount } of runs) {
    const chunks = storm.packs[pack]?.chunks ?? 0;
    const perPiece = chunksPerPieceFor(chunks);
    const known = masks.get(pack) ?? new Uint16Array(Math.ceil(chunks / perPiece));
    masks.set(pack, known);
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk += 1) {
      const piece = Math.floor(chunk / perPiece);
      known[piece] = (known[piece] ?? 0) | (1 << (chunk % perPiece));
    }
  }
  return masks;
}
