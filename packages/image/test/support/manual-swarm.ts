import { chunksPerPieceFor, fullPieceMask, isEmpty, minus, pieceMask, verifyPiece } from '@quarry/content';
import type { FetchReport, PackId, PackStore, PackWant } from '@quarry/content';
import type { Peer, StoreBackedSwarm } from './store-backed-swarm.ts';
import { createStoreBackedSwarm } from './store-backed-swarm.ts';

/** A swarm whose fetches bring nothing by themselves: pieces arrive when the test says so. */
export interface ManualSwarm extends StoreBackedSwarm {
  /** What fetches that are not over were asked for, the first one first. */
  readonly wanted: readonly (readonly PackWant[])[];
  /** Brings what the peer has of a piece. */
  deliver(pack: PackId, piece: number): Promise<void>;
  /** All of what the first fetch wants, in the order of packs and pieces. */
  missing(): { readonly pack: PackId; readonly piece: number }[];
  fail(error: unknown): void;
}

interface Running {
  readonly wants: readonly PackWant[];
  readonly bytes: { peer: number };
  readonly settle: () => void;
  readonly reject: (error: unknown) => void;
}

export function createManualSwarm(store: PackStore, peer: Peer): ManualSwarm {
  const swarm = createStoreBackedSwarm(store, [peer]);
  const running = new Set<Running>();
  const isOver = ({ wants }: Running): boolean =>
    wants.every(({ pack, chunks }) => {
      const present = store.present(pack);
      return present !== undefined && isEmpty(minus(chunks, present));
    });
  return {
    ...swarm,
    get wanted() {
      return [...running].map(({ wants }) => wants);
    },
    fetch(wants, { signal, onProgress } = {}) {
      return new Promise<FetchReport>((resolve, reject) => {
        const end = (settle: () => void): void => {
          running.delete(fetch);
          signal?.removeEventListener('abort', onAbort);
          settle();
        };
        const bytes = { peer: 0 };
        const report = (): FetchReport => {
          const bytesBySource = { local: 0, peer: bytes.peer, seeder: 0, origin: 0 };
          const sums = { wantedBytes: 0, fetchedBytes: bytes.peer, wireBytes: bytes.peer, duplicateBytes: 0 };
          return { ...sums, bytesBySource, wireBytesBySource: bytesBySource, badChunks: 0, durationMs: 0 };
        };
        const fetch: Running = {
          wants,
          bytes,
          settle() {
            onProgress?.(report());
            if (isOver(fetch)) end(() => resolve(report()));
          },
          reject: (error) => end(() => reject(error)),
        };
        const onAbort = (): void => fetch.reject(signal?.reason);
        running.add(fetch);
        signal?.addEventListener('abort', onAbort, { once: true });
        if (signal?.aborted) onAbort();
      });
    },
    async deliver(pack, piece) {
      const descriptor = await store.findPack(pack);
      if (!descriptor) throw new Error('the pack was added');
      const mask = fullPieceMask(descriptor, piece);
      const bytes = await peer.store.readPiece(pack, piece, mask);
      await store.writePiece(verifyPiece(descriptor, piece, mask, bytes));
      for (const fetch of running) {
        fetch.bytes.peer += bytes.length;
        fetch.settle();
      }
    },
    missing() {
      const [first] = running;
      return (first?.wants ?? []).flatMap(({ pack, chunks }) => {
        const present = store.present(pack);
        const missing = present ? minus(chunks, present) : chunks;
        const chunksPerPiece = chunksPerPieceFor(chunks.chunkCount);
        const pieces = Math.ceil(chunks.chunkCount / chunksPerPiece);
        return Array.from({ length: pieces }, (_, piece) => ({ pack, piece })).filter(
          ({ piece }) => pieceMask(missing, piece, chunksPerPiece) !== 0,
        );
      });
    },
    fail(error) {
      for (const { reject } of running) reject(error);
    },
  };
}
