import { pieceMask } from '@quarry/content';
import type { PackId, PackStore } from '@quarry/content';
import { fullMask, shapeFor } from '../scheduler/piece-masks.ts';

/** Packs of which no piece seems to be kept as a zstd frame. An ingest keeps frames of an image or none, so a few pieces tell. */
export interface PlainPacks {
  /** Looks at a few pieces of each that it has not looked at before. Never rejects. */
  look(packs: readonly PackId[]): Promise<void>;
  has(pack: PackId): boolean;
  /** A frame was seen. Returns whether the pack counted as plain. */
  refute(pack: PackId): boolean;
}

const LOOKED_AT = 4;

export function createPlainPacks(store: PackStore): PlainPacks {
  const looks = new Map<PackId, Promise<void>>();
  const plain = new Set<PackId>();

  const lookAt = async (pack: PackId): Promise<void> => {
    const present = store.present(pack);
    if (!present) return void looks.delete(pack);
    const shape = shapeFor(present.chunkCount);
    const isWhole = (piece: number): boolean =>
      pieceMask(present, piece, shape.chunksPerPiece) === fullMask(shape, piece);
    const whole = Array.from({ length: shape.pieceCount }, (_, piece) => piece).filter(isWhole);
    if (whole.length === 0) return void looks.delete(pack);
    try {
      for (let i = 0; i < LOOKED_AT; i += 1) {
        const piece = whole[Math.floor((i * whole.length) / LOOKED_AT)] as number;
        if ((await store.readStored(pack, piece)).encoding === 'zstd') return;
      }
      plain.add(pack);
    } catch {
      // It is not there any more, or cannot be read: whoever gives it will see.
    }
  };
  return {
    async look(packs) {
      for (const pack of packs) {
        const look = looks.get(pack) ?? Promise.resolve().then(() => lookAt(pack));
        looks.set(pack, look);
        await look;
      }
    },
    has: (pack) => plain.has(pack),
    refute: (pack) => plain.delete(pack),
  };
}
