import { maskedBytes } from '@quarry/content';
import type { FetchProgress, FetchReport, PackDescriptor, PackId, SourceKind } from '@quarry/content';
import type { PieceMasks } from '../scheduler/piece-masks.ts';

export interface AccountedPack {
  readonly descriptor: PackDescriptor;
  readonly wanted: PieceMasks;
  /** Of those, what was here when the fetch began. */
  readonly present: PieceMasks;
}

/** What one fetch wanted and where it came from: each wanted chunk is counted once, by whoever brought it first. */
export interface FetchAccount {
  arrived(pack: PackId, piece: number, mask: number, from: ArrivedFrom): void;
  duplicate(bytes: number): void;
  bad(): void;
  wants(pack: PackId): boolean;
  progress(): FetchProgress;
  report(): FetchReport;
}

export interface ArrivedFrom {
  readonly source: SourceKind;
  /** Bytes that crossed a link for each plain byte: 0 for what was here, 1 for what came plain. */
  readonly wireRatio: number;
}

export function createFetchAccount(
  packs: readonly AccountedPack[],
  options: {
    readonly now: () => number;
    readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
  },
): FetchAccount {
  const startedMs = options.now();
  const missing = new Map<PackId, { readonly descriptor: PackDescriptor; readonly masks: PieceMasks }>();
  const bytesBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  const wireBytesBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  let [wantedBytes, fetchedBytes, wireBytes, duplicateBytes, badChunks] = [0, 0, 0, 0, 0];
  const credit = (source: SourceKind, bytes: number): void => {
    bytesBySource[source] += bytes;
    fetchedBytes += bytes;
  };
  for (const { descriptor, wanted, present } of packs) {
    for (const [piece, mask] of wanted.entries()) {
      if (mask === 0) continue;
      wantedBytes += maskedBytes(descriptor, piece, mask);
      credit('local', maskedBytes(descriptor, piece, mask & (present[piece] ?? 0)));
    }
    missing.set(descriptor.id, { descriptor, masks: wanted.map((mask, piece) => mask & ~(present[piece] ?? 0)) });
  }
  const progress = (): FetchProgress => ({
    wantedBytes,
    fetchedBytes,
    bytesBySource: { ...bytesBySource },
    wireBytes,
    wireBytesBySource: { ...wireBytesBySource },
  });
  return {
    arrived(pack, piece, mask, { source, wireRatio }) {
      const left = missing.get(pack);
      const got = (left?.masks[piece] ?? 0) & mask;
      if (!left || got === 0) return;
      left.masks[piece] = (left.masks[piece] ?? 0) & ~got;
      const plainBytes = maskedBytes(left.descriptor, piece, got);
      credit(source, plainBytes);
      const crossedBytes = Math.round(plainBytes * wireRatio);
      wireBytesBySource[source] += crossedBytes;
      wireBytes += crossedBytes;
      options.onProgress?.(progress());
    },
    duplicate(bytes) {
      duplicateBytes += bytes;
    },
    bad() {
      badChunks += 1;
    },
    wants: (pack) => missing.has(pack),
    progress,
    report: () => ({ ...progress(), duplicateBytes, badChunks, durationMs: options.now() - startedMs }),
  };
}
