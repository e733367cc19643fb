import type { PackId } from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import type { Answer, Network, Request } from '../ports/network.ts';
import { decodeGetPiece, encodePieceHead, GET_PIECE_BYTES, encodePieceRefusal } from '../protocol/get-piece.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { fullMask } from '../scheduler/piece-masks.ts';
import type { LinkPace } from '../scheduler/link-pace.ts';
import type { SenderSlots } from '../scheduler/sender-slots.ts';
import type { PackGate } from './pack-gate.ts';
import { readForSending } from './read-for-sending.ts';
import type { DescriptorCache, OutgoingPiece, ReadDeps, WantedPiece } from './read-for-sending.ts';
import type { TrafficCounts } from './traffic-counts.ts';
import type { TransferObserver } from './transfer-events.ts';
import type { UploadPacer } from './upload-pacer.ts';

export interface ServeDeps extends ReadDeps {
  readonly network: Network;
  readonly descriptors: DescriptorCache;
  readonly pacer: UploadPacer;
  readonly traffic: TrafficCounts;
  readonly gate: PackGate;
  readonly clock: Clock;
  readonly observe?: TransferObserver | undefined;
}

/** Which piece is being sent, and how long it took to get so far. */
export interface SendingPiece {
  readonly pack: PackId;
  readonly piece: number;
  readonly askedAtMs: number;
  readonly admittedAtMs: number;
}

/** An answer with a piece: counted as it leaves, its buffer back when it has left. */
export function pieceAnswer(
  deps: ServeDeps,
  head: Uint8Array,
  body: OutgoingPiece,
  { peer, signal }: Request,
  sending: SendingPiece,
  onEnd: (isWhole: boolean) => void,
): Answer {
  const { clock, observe } = deps;
  const readAtMs = clock.now();
  const wireBytes = body.bytes.length;
  return deps.pacer.answer(head, body.bytes, {
    signal,
    onSent: (bytes) => deps.traffic.sent(peer, body.encoding, bytes),
    onEnd(isWhole) {
      // A carrier that says when the bytes have left gives the buffer back then. Of others nobody knows when it may be used again.
      body.drop();
      if (isWhole) deps.traffic.sentPiece(body.plainBytes);
      observe?.({ kind: 'sent', ...sending, to: peer, wireBytes, readAtMs, endedAtMs: clock.now(), isWhole });
      onEnd(isWhole);
    },
    release: () => body.release(),
  });
}

/** Gives pieces to whoever asks by name, also while this node is itself still fetching: a few at once, a few in a queue, "busy" to the others. */
export function servePieces(deps: ServeDeps & { readonly pace: LinkPace }, slots: SenderSlots): () => void {
  const admitted = new Map<number, () => void>();
  let lastRequest = 0;

  /** Resolves to whether the request is served now, or to "busy". */
  const enter = (id: number, { peer, signal }: Request): Promise<number | undefined> => {
    const verdict = slots.arrive(id, peer);
    if (verdict.kind === 'serve') return Promise.resolve(undefined);
    if (verdict.kind === 'busy') return Promise.resolve(verdict.queueLength);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        admitted.delete(id);
        leave(id);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      admitted.set(id, () => {
        signal.removeEventListener('abort', onAbort);
        resolve(undefined);
      });
    });
  };
  const leave = (id: number): void => {
    const next = slots.leave(id);
    if (next === undefined) return;
    const admit = admitted.get(next);
    admitted.delete(next);
    admit?.();
  };
  const serve = async (request: Request, how: Pick<WantedPiece, 'takesFrames' | 'check'>): Promise<Answer> => {
    const askedAtMs = deps.clock.now();
    const { pack, piece, mask, proof } = decodeGetPiece(request.bytes);
    const absent = encodePieceRefusal({ kind: 'absent' });
    if (!deps.gate.admits(pack, request.peer, proof)) return absent;
    const descriptor = await deps.descriptors.find(pack, request);
    if (!descriptor || piece >= descriptor.pieceCount || (mask & ~fullMask(descriptor, piece)) !== 0) return absent;
    const id = (lastRequest += 1);
    const queueLength = await enter(id, request);
    if (queueLength !== undefined) return encodePieceRefusal({ kind: 'busy', queueLength });
    const sending = { pack, piece, askedAtMs, admittedAtMs: deps.clock.now() };
    try {
      const body = await readForSending(deps, { descriptor, piece, mask, ...how }, request);
      if (body) {
        return pieceAnswer(deps, encodePieceHead(body.encoding), body, request, sending, (isWhole) => {
          if (isWhole) deps.pace.sent(body.bytes.length, deps.clock.now());
          leave(id);
        });
      }
    } catch (error) {
      leave(id);
      throw error;
    }
    leave(id);
    return absent;
  };
  const stops = [
    deps.network.handle(protocols.uncheckedPiece, { maxRequestBytes: GET_PIECE_BYTES }, (request) =>
      serve(request, { takesFrames: true, check: 'never' }),
    ),
    // Who asks for a checked piece may have had a bad one just now: that it was good a minute ago does not help.
    deps.network.handle(protocols.piece, { maxRequestBytes: GET_PIECE_BYTES }, (request) =>
      serve(request, { takesFrames: true, check: 'always' }),
    ),
    deps.network.handle(protocols.plainPiece, { maxRequestBytes: 64 }, (request) =>
      serve(request, { takesFrames: false, check: 'always' }),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
