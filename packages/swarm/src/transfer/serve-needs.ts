import type { PackId, PackStore } from '@quarry/content';
import type { Network } from '../ports/network.ts';
import type { AskedPack } from '../protocol/ask.ts';
import { decodeGetNeeds, encodeNeedsAnswer } from '../protocol/get-needs.ts';
import { emptyPieceSet, isEmptyPieceSet, pieceSetOf } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { masksOf, shapeFor } from '../scheduler/piece-masks.ts';
import type { FetcherNeed } from './fetcher.ts';

/** Tells seeders that want to leave what this node still needs, and what it has of what others need. */
export function serveNeeds(deps: {
  readonly network: Network;
  readonly store: PackStore;
  readonly needs: () => readonly FetcherNeed[];
}): () => void {
  const { network, store } = deps;
  const { maxNeedsPacks } = protocolLimits;
  return network.handle(protocols.needs, { maxRequestBytes: maxNeedsPacks * 32 + 8 }, async ({ bytes }) => {
    const packs = new Map<PackId, AskedPack>();
    const isClosed = (pack: PackId): boolean => store.access(pack)?.kind === 'closed';
    for (const { pack, shape, need, have } of deps.needs()) {
      if (!isClosed(pack)) packs.set(pack, { pack, need: pieceSetOf(need, shape), have: pieceSetOf(have, shape) });
    }
    for (const pack of decodeGetNeeds(bytes)) {
      const present = packs.has(pack) || isClosed(pack) ? undefined : store.present(pack);
      const have = present ? pieceSetOf(masksOf(present), shapeFor(present.chunkCount)) : emptyPieceSet;
      if (!isEmptyPieceSet(have)) packs.set(pack, { pack, need: emptyPieceSet, have });
    }
    return encodeNeedsAnswer([...packs.values()].slice(0, maxNeedsPacks));
  });
}
