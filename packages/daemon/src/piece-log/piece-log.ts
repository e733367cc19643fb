import type { PackId, SourceKind } from '@quarry/content';
import type { Clock, Logger } from '@quarry/runtime';
import type { TransferEvent, TransferObserver } from '@quarry/swarm';
import { openLineFile } from './line-file.ts';
import type { FetchVia, PieceLogLine } from './log-line.ts';

/** Tells a file of each piece that comes or goes. Whoever calls it never waits, and hears of nothing that goes wrong. */
export interface PieceLog extends FetchLog {
  readonly observe: TransferObserver;
  close(): Promise<void>;
}

export interface FetchLog {
  fetchBegan(image: string, via: FetchVia): void;
  fetchEnded(end: FetchEnd): void;
}

export interface FetchEnd {
  readonly image: string;
  readonly via: FetchVia;
  readonly durationMs: number;
  readonly isOk: boolean;
  /** An error's code. */
  readonly reason?: string | undefined;
  readonly bytesBySource?: Readonly<Record<SourceKind, number>> | undefined;
}

export interface PieceLogOptions {
  readonly path: string;
  readonly node: string;
  readonly role: 'node' | 'seeder';
  readonly zone: string;
  /** Unix milliseconds when the clock's `now` was 0. */
  readonly epochMs: number;
}

/** Pieces that others have not been told of, as where nobody fetches. */
const MAX_UNTOLD = 65_536;

/** @throws DaemonError DAEMON_FILE_UNUSABLE */
export async function openPieceLog(
  deps: { readonly clock: Clock; readonly logger: Logger },
  { path, node, role, zone, epochMs }: PieceLogOptions,
): Promise<PieceLog> {
  const text = (line: PieceLogLine): string => JSON.stringify(line);
  const file = await openLineFile(deps, { path, lostLine: (lines) => text({ line: 'lost', lines }) });
  const untold = new Map<PackId, number[]>();
  let untoldPieces = 0;
  const time = (ms: number): number => Math.round((ms + epochMs) * 10) / 10;
  const now = (): number => time(deps.clock.now());
  const write = (line: PieceLogLine): void => file.add(text(line));

  const forget = (pack: PackId): readonly number[] => {
    const pieces = untold.get(pack) ?? [];
    untold.delete(pack);
    untoldPieces -= pieces.length;
    return pieces;
  };
  const noteUntold = (pack: PackId, piece: number): void => {
    if (role === 'seeder') return; // it tells nobody, and gives what it has to who asks for anything
    const pieces = untold.get(pack);
    if (pieces) pieces.push(piece);
    else untold.set(pack, [piece]);
    untoldPieces += 1;
    while (untoldPieces > MAX_UNTOLD) for (const oldest of [...untold.keys()].slice(0, 1)) forget(oldest);
  };

  const observe = (event: TransferEvent): void => {
    switch (event.kind) {
      case 'received':
        noteUntold(event.pack, event.piece);
        return write({
          line: 'piece',
          pack: event.pack,
          piece: event.piece,
          source: event.source,
          ...(event.from !== undefined && { from: event.from }),
          asked: time(event.askedAtMs),
          ...(event.firstByteAtMs !== undefined && { first: time(event.firstByteAtMs) }),
          whole: time(event.wholeAtMs ?? event.verifiedAtMs),
          verified: time(event.verifiedAtMs),
          present: time(event.presentAtMs),
          plain: event.plainBytes,
          wire: event.wireBytes,
          ...(event.duplicateBytes > 0 && { duplicate: event.duplicateBytes }),
          ...(event.waitedMs >= 0.1 && { waited: Math.round(event.waitedMs * 10) / 10 }),
          ...(event.isHedge && { hedge: true as const }),
          ...(event.isLate && { late: true as const }),
        });
      case 'refused':
        return write({
          line: 'refused',
          why: event.reason,
          source: event.source,
          ...(event.from !== undefined && { from: event.from }),
          ...(event.pack !== undefined && { pack: event.pack }),
          ...(event.piece !== undefined && { piece: event.piece }),
          asked: time(event.askedAtMs),
          at: time(event.atMs),
          ...(event.receivedBytes > 0 && { bytes: event.receivedBytes }),
          ...(event.ahead !== undefined && { ahead: event.ahead }),
        });
      case 'sent':
        return write({
          line: 'sent',
          pack: event.pack,
          piece: event.piece,
          to: event.to,
          wire: event.wireBytes,
          asked: time(event.askedAtMs),
          admitted: time(event.admittedAtMs),
          read: time(event.readAtMs),
          ended: time(event.endedAtMs),
          ...(!event.isWhole && { broken: true as const }),
        });
      case 'appeared':
        noteUntold(event.pack, event.piece);
        return write({ line: 'appeared', pack: event.pack, piece: event.piece, at: time(event.atMs) });
      case 'told': {
        const pieces = forget(event.pack);
        if (pieces.length > 0) write({ line: 'told', at: time(event.atMs), pack: event.pack, pieces });
        return;
      }
      case 'load': {
        const { atMs, requests, window, landing, asks, unmetPieces, parkedPeers } = event;
        const rest = { requests, window, landing, asks, unmet: unmetPieces, parked: parkedPeers };
        return write({ line: 'load', at: time(atMs), ...rest });
      }
    }
  };

  write({ line: 'start', at: now(), node, role, zone });
  return {
    observe,
    fetchBegan: (image, via) => write({ line: 'fetch', at: now(), image, via }),
    fetchEnded({ image, via, durationMs, isOk, reason, bytesBySource }) {
      const endedMs = deps.clock.now();
      write({
        line: 'fetched',
        began: time(endedMs - durationMs),
        at: time(endedMs),
        image,
        via,
        ok: isOk,
        ...(reason !== undefined && { why: reason }),
        ...bytesBySource,
      });
    },
    close: () => file.close(),
  };
}
