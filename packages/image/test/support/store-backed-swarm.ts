import { digestEquals, minus, pieceMask, verifyPiece } from '@quarry/content';
import type {
  ChunkSet,
  FetchReport,
  ImageCatalog,
  PackDescriptor,
  PackId,
  PackStore,
  PieceSource,
  SourceKind,
  Swarm,
  VerifiedPiece,
} from '@quarry/content';
import { CodedError } from '@quarry/runtime';

/** Another host, seen through its own store and catalog instead of a network. */
export interface Peer {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  /** Every piece it sends has a flipped bit. */
  readonly isLiar?: boolean;
}

export interface StoreBackedSwarm extends Swarm {
  readonly banned: ReadonlySet<Peer>;
}

/** A Swarm over other nodes' stores: what arrives is verified as a network's bytes are, who sends a bad chunk is not asked again. */
export function createStoreBackedSwarm(store: PackStore, peers: readonly Peer[]): StoreBackedSwarm {
  const banned = new Set<Peer>();
  const honest = (): Peer[] => peers.filter((peer) => !banned.has(peer));
  const firstOf = async <T>(ask: (peer: Peer) => Promise<T | undefined>): Promise<T | undefined> => {
    for (const peer of honest()) {
      const answer = await ask(peer);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
  return {
    banned,
    async findRecords(ref, { signal } = {}) {
      signal?.throwIfAborted();
      const records = await Promise.all(honest().map(({ catalog }) => catalog.findRecords(ref)));
      return records.flat().sort((a, b) => b.publishedAtMs - a.publishedAtMs);
    },
    findManifest: (id, { signal } = {}) => firstOf(({ catalog }) => catalog.findManifest(id, { signal })),
    findDescriptor: (id, { secret, signal } = {}) =>
      firstOf(async (peer) => {
        const access = peer.store.access(id);
        const isGiven =
          access?.kind === 'open' || (access?.kind === 'secret' && secret && digestEquals(access.secret, secret));
        return isGiven ? await peer.store.findPack(id, { signal }) : undefined;
      }),
    async fetch(wants, { signal, lastResort, onProgress } = {}) {
      const bytesBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
      let [wantedBytes, fetchedBytes, badChunks] = [0, 0, 0];
      const report = (): FetchReport => ({
        wantedBytes,
        fetchedBytes,
        wireBytes: fetchedBytes,
        wireBytesBySource: { ...bytesBySource },
        bytesBySource: { ...bytesBySource },
        duplicateBytes: 0,
        badChunks,
        durationMs: 0,
      });
      const take = async (kind: SourceKind, piece: ReturnType<typeof verifyPiece>): Promise<void> => {
        await store.writePiece(piece, { signal });
        bytesBySource[kind] += piece.bytes.length;
        fetchedBytes += piece.bytes.length;
        onProgress?.(report());
      };
      for (const { pack, chunks } of wants) {
        const descriptor = await store.findPack(pack, { signal });
        if (!descriptor) throw new TypeError(`pack ${pack} was not added before the fetch`);
        for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
          for (const peer of honest()) {
            const mask = missingMask(store, descriptor, piece, chunks) & presentMask(peer.store, descriptor, piece);
            if (mask === 0) continue;
            const bytes = await peer.store.readPiece(pack, piece, mask, { signal });
            if (peer.isLiar) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
            try {
              await take('peer', verifyPiece(descriptor, piece, mask, bytes));
            } catch (error) {
              if (!(error instanceof CodedError && error.code === 'CONTENT_DIGEST_MISMATCH')) throw error;
              banned.add(peer);
              badChunks += 1;
            }
          }
          const left = missingMask(store, descriptor, piece, chunks);
          if (left !== 0) await take('origin', await resort(lastResort, pack, piece, left, signal));
        }
      }
      wantedBytes = fetchedBytes;
      return report();
    },
  };
}

async function resort(
  source: PieceSource | undefined,
  pack: PackId,
  piece: number,
  mask: number,
  signal: AbortSignal | undefined,
): Promise<VerifiedPiece> {
  if (source?.covers(pack, piece, mask)) {
    for await (const read of source.readPieces(pack, [{ piece, mask }], { signal })) return read;
  }
  throw new CodedError('SWARM_NO_SOURCE', `nobody has piece ${piece} of pack ${pack}`, { details: { pack, piece } });
}

function missingMask(store: PackStore, descriptor: PackDescriptor, piece: number, chunks: ChunkSet): number {
  const present = store.present(descriptor.id);
  return pieceMask(present ? minus(chunks, present) : chunks, piece, descriptor.chunksPerPiece);
}

function presentMask(store: PackStore, descriptor: PackDescriptor, piece: number): number {
  const present = store.present(descriptor.id);
  return present ? pieceMask(present, piece, descriptor.chunksPerPiece) : 0;
}
