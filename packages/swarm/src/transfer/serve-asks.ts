import type { PackAccess, PackId } from '@quarry/content';
import type { Answer, PeerId, Request } from '../ports/network.ts';
import { decodeAsk, encodeAskRefusal, encodeGivenHead } from '../protocol/ask.ts';
import { decodeGetPiece, encodePieceHead, encodePieceRefusal, GET_PIECE_BYTES } from '../protocol/get-piece.ts';
import type { PackHave } from '../protocol/haves-message.ts';
import { emptyPieceSet, isEmptyPieceSet, masksFrom, pieceSetOf } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { LedgerAction, LedgerEvent, LedgerStatus } from '../scheduler/ledger-events.ts';
import { masksOf, shapeFor } from '../scheduler/piece-masks.ts';
import type { PackShape } from '../scheduler/piece-masks.ts';
import type { SeederLedger } from '../scheduler/seeder-ledger.ts';
import { createPlainPacks } from './plain-packs.ts';
import { readForSending } from './read-for-sending.ts';
import type { OutgoingPiece, WantedPiece } from './read-for-sending.ts';
import { pieceAnswer } from './serve-pieces.ts';
import type { SendingPiece, ServeDeps } from './serve-pieces.ts';

export interface AskServer {
  /** A connection has gone: what its owner was given is nobody's. */
  peerGone(peer: PeerId): void;
  status(): LedgerStatus;
  stop(): void;
}

/** A seeder's side of the standing asks: feeds the ledger, and does what it says. */
export function serveAsks(deps: ServeDeps, ledger: SeederLedger): AskServer {
  const { network, store, clock, logger } = deps;
  const waiting = new Map<number, (action: LedgerAction) => void>();
  /** Packs that the ledger has been told of, and who might have them when they were last here. */
  const shapes = new Map<PackId, PackShape>();
  const accesses = new Map<PackId, PackAccess>();
  /** Packs of which nothing that was looked at is kept compressed. Of a frame there are no parts to give. */
  const plain = createPlainPacks(store);
  let lastAsk = 0;
  let cancelTick = (): void => {};
  let isStopped = false;

  const say = (event: LedgerEvent): void => {
    if (isStopped) return;
    for (const action of ledger.handle(event, clock.now())) {
      const answer = waiting.get(action.ask);
      waiting.delete(action.ask);
      answer?.(action);
    }
    cancelTick();
    const wakeAtMs = ledger.wakeAtMs();
    if (wakeAtMs === undefined) return;
    // Never less than a millisecond: a timer may fire an unmeasurable moment early, and would be set again for ever.
    cancelTick = clock.after(Math.max(1, wakeAtMs - clock.now()), () => say({ kind: 'tick' }));
  };
  const tellHolding = (pack: PackId): void => {
    const present = store.present(pack);
    const shape = present ? shapeFor(present.chunkCount) : shapes.get(pack);
    if (!shape) return;
    shapes.set(pack, shape);
    const access = store.access(pack);
    if (access) accesses.set(pack, access);
    const masks = present ? masksOf(present) : new Uint16Array(shape.pieceCount);
    say({ kind: 'holds', pack, masks, isPlain: plain.has(pack) });
  };
  const refresh = (pack: PackId): void => {
    if (shapes.has(pack)) tellHolding(pack);
  };
  const stops = [store.onPresent(refresh), store.onAbsent(refresh)];

  /** Resolves to what the ledger says; rejects when the asker is gone before. */
  const decide = (ask: number, event: LedgerEvent, signal: AbortSignal): Promise<LedgerAction> =>
    new Promise((resolve, reject) => {
      const onAbort = (): void => {
        waiting.delete(ask);
        say({ kind: 'askEnded', ask });
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiting.set(ask, (action) => {
        signal.removeEventListener('abort', onAbort);
        resolve(action);
      });
      if (signal.aborted) onAbort();
      else say(event);
    });

  /** The body of what the ledger gave, or undefined when the store has it no more. */
  const bodyOf = async (
    given: LedgerAction & { kind: 'give' },
    how: Pick<WantedPiece, 'takesFrames' | 'check'>,
    request: Request,
  ): Promise<OutgoingPiece | undefined> => {
    try {
      const descriptor = await deps.descriptors.find(given.pack, request);
      const { piece, mask } = given;
      const body = descriptor && (await readForSending(deps, { descriptor, piece, mask, ...how }, request));
      if (body?.encoding === 'zstd' && plain.refute(given.pack)) tellHolding(given.pack);
      if (body) return body;
    } catch (error) {
      say({ kind: 'sendFailed', ask: given.ask });
      throw error;
    }
    say({ kind: 'sendFailed', ask: given.ask });
    tellHolding(given.pack);
    return undefined;
  };
  const send = (head: Uint8Array, body: OutgoingPiece, ask: number, request: Request, sending: SendingPiece): Answer =>
    pieceAnswer(deps, head, body, request, sending, (isWhole) => say({ kind: isWhole ? 'sent' : 'sendFailed', ask }));

  const takeAsk = async (request: Request, takesFrames: boolean): Promise<Answer> => {
    const askedAtMs = clock.now();
    const { packs: asked, distrusts } = decodeAsk(request.bytes);
    const unknown: PackHave[] = [];
    // The older name knows no proofs.
    const isAdmitted = ({ pack, proof }: (typeof asked)[number]): boolean =>
      deps.gate.admits(pack, request.peer, takesFrames ? proof : undefined, accesses.get(pack));
    const admitted = new Set(asked.filter(isAdmitted));
    await plain.look([...admitted].map(({ pack }) => pack));
    const entries = asked.flatMap((one) => {
      const { pack, need, have } = one;
      const isGiven = admitted.has(one);
      if (isGiven && !shapes.has(pack)) tellHolding(pack);
      const shape = isGiven ? shapes.get(pack) : undefined;
      if (shape) return [{ pack, need: masksFrom(need, shape), have: masksFrom(have, shape) }];
      if (!isEmptyPieceSet(need)) unknown.push({ pack, set: need });
      return [];
    });
    const ask = (lastAsk += 1);
    const isLacking = unknown.length > 0;
    const event: LedgerEvent = { kind: 'ask', ask, asker: request.peer, entries, isLacking, distrusts };
    const action = await decide(ask, event, request.signal);
    if (action.kind === 'wait') return encodeAskRefusal({ kind: 'wait', ahead: action.ahead });
    if (action.kind === 'give') {
      const sending = { pack: action.pack, piece: action.piece, askedAtMs, admittedAtMs: clock.now() };
      const body = await bodyOf(action, { takesFrames, check: 'unlessRecent' }, request);
      if (body) return send(encodeGivenHead({ ...action, encoding: body.encoding }), body, ask, request, sending);
    }
    const lacking = action.kind === 'dry' ? action.lacking : [];
    const known = lacking.map(({ pack, masks }): PackHave => {
      const shape = shapes.get(pack);
      return { pack, set: shape ? pieceSetOf(masks, shape) : emptyPieceSet };
    });
    return encodeAskRefusal({ kind: 'dry', lacking: [...known, ...unknown].slice(0, protocolLimits.maxAskPacks) });
  };

  /** A request by name goes through the ledger too, or what leaves here could not be accounted for. */
  const takeNamed = async (request: Request, how: Pick<WantedPiece, 'takesFrames' | 'check'>): Promise<Answer> => {
    const askedAtMs = clock.now();
    const { pack, piece, mask, proof } = decodeGetPiece(request.bytes);
    if (!deps.gate.admits(pack, request.peer, proof)) return encodePieceRefusal({ kind: 'absent' });
    if (!shapes.has(pack)) tellHolding(pack);
    if (piece >= (shapes.get(pack)?.pieceCount ?? 0)) return encodePieceRefusal({ kind: 'absent' });
    const ask = (lastAsk += 1);
    const action = await decide(ask, { kind: 'plain', ask, asker: request.peer, pack, piece, mask }, request.signal);
    if (action.kind === 'wait') return encodePieceRefusal({ kind: 'busy', queueLength: action.ahead });
    const sending = { pack, piece, askedAtMs, admittedAtMs: clock.now() };
    const body = action.kind === 'give' ? await bodyOf(action, how, request) : undefined;
    return body
      ? send(encodePieceHead(body.encoding), body, ask, request, sending)
      : encodePieceRefusal({ kind: 'absent' });
  };

  const { maxAskBytes } = protocolLimits;
  stops.push(
    network.handle(protocols.ask, { maxRequestBytes: maxAskBytes }, (request) => takeAsk(request, true)),
    network.handle(protocols.plainAsk, { maxRequestBytes: maxAskBytes }, (request) => takeAsk(request, false)),
    network.handle(protocols.uncheckedPiece, { maxRequestBytes: GET_PIECE_BYTES }, (request) =>
      takeNamed(request, { takesFrames: true, check: 'never' }),
    ),
    network.handle(protocols.piece, { maxRequestBytes: GET_PIECE_BYTES }, (request) =>
      takeNamed(request, { takesFrames: true, check: 'always' }),
    ),
    network.handle(protocols.plainPiece, { maxRequestBytes: 64 }, (request) =>
      takeNamed(request, { takesFrames: false, check: 'always' }),
    ),
  );
  logger.debug('giving each piece once');
  return {
    peerGone: (peer) => say({ kind: 'peerGone', peer }),
    status: () => ledger.status(),
    stop() {
      isStopped = true;
      cancelTick();
      for (const stop of stops) stop();
    },
  };
}
