import type { PackId, SourceKind, VerifiedPiece } from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import type { RequestAction } from './run-requests.ts';
import type { RefusalReason, RequestTimes, TransferObserver } from './transfer-events.ts';

/** A request that is under way, as far as its story is told. */
export interface ToldRequest {
  readonly action: RequestAction;
  readonly pack: PackId | undefined;
  readonly times: RequestTimes;
  readonly receivedBytes: number;
}

/** Tells an observer how requests went; without one nothing is done. */
export interface RequestReports {
  refused(request: ToldRequest, reason: RefusalReason, ahead?: number): void;
  /** A piece has its digests; call what comes back when it is present. */
  verified(
    request: ToldRequest,
    piece: VerifiedPiece,
    facts: { readonly source: SourceKind; readonly wireBytes: number; readonly duplicateBytes: number },
  ): (isLate: boolean) => void;
}

export function createRequestReports(clock: Clock, observe: TransferObserver | undefined): RequestReports {
  if (!observe) return { refused: () => {}, verified: () => () => {} };
  return {
    refused({ action, pack, times, receivedBytes }, reason, ahead) {
      observe({
        kind: 'refused',
        reason,
        source: usualSource[action.kind],
        from: peerOf(action),
        pack,
        piece: action.kind === 'request' ? action.piece : undefined,
        askedAtMs: times.askedAtMs,
        atMs: clock.now(),
        receivedBytes,
        ahead,
      });
    },
    verified({ action, times }, { descriptor, piece, bytes }, facts) {
      const verifiedAtMs = clock.now();
      return (isLate) =>
        observe({
          kind: 'received',
          pack: descriptor.id,
          piece,
          from: peerOf(action),
          plainBytes: bytes.length,
          ...facts,
          isHedge: action.kind === 'request' && action.isHedge,
          isLate,
          ...times,
          verifiedAtMs,
          presentAtMs: clock.now(),
        });
    },
  };
}

const usualSource: Readonly<Record<RequestAction['kind'], SourceKind>> = {
  request: 'peer',
  ask: 'seeder',
  readLastResort: 'origin',
};

function peerOf(action: RequestAction): PeerId | undefined {
  switch (action.kind) {
    case 'request':
      return action.peer;
    case 'ask':
      return action.seeder;
    case 'readLastResort':
      return undefined;
  }
}
