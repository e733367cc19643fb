import { maskedBytes } from '@quarry/content';
import type {
  Encoding,
  PackDescriptor,
  PackId,
  PackStore,
  PieceWant,
  SourceKind,
  VerifiedPiece,
} from '@quarry/content';
import type { Clock } from '@quarry/runtime';
import type { Network, PeerId, RequestOptions } from '../ports/network.ts';
import { decodeAskAnswer, encodeAsk } from '../protocol/ask.ts';
import type { AskAnswer, AskedPack } from '../protocol/ask.ts';
import { decodePieceAnswer, encodeGetPiece } from '../protocol/get-piece.ts';
import { masksFrom, pieceSetOf } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import type { FetchAction, FetchEvent } from '../scheduler/fetch-events.ts';
import { fullMask } from '../scheduler/piece-masks.ts';
import { SwarmError } from '../swarm-error.ts';
import { createPackProofs } from './pack-proofs.ts';
import { createPieceRequests } from './piece-requests.ts';
import type { CheckedPieces } from './checked-pieces.ts';
import { duplicateBytesOf } from './duplicate-bytes.ts';
import type { ArrivedFrom } from './fetch-account.ts';
import { isDamage, isLie, verified } from './judge-answer.ts';
import type { Receiving } from './receiving.ts';
import { createRequestReports } from './report-requests.ts';
import type { CountedPiece } from './traffic-counts.ts';
import { beginTimes } from './transfer-events.ts';
import type { RequestTimes, TransferObserver } from './transfer-events.ts';

export type RequestAction = Extract<FetchAction, { readonly kind: 'request' | 'ask' | 'readLastResort' }>;

export interface RequestRunner {
  run(action: RequestAction): void;
  cancel(request: number): void;
  /** Where these chunks have just come from, if it is from one of our sources. */
  arrivedFrom(pack: PackId, piece: number, mask: number): ArrivedFrom | undefined;
  close(): void;
}

export interface RequestRunnerDeps {
  readonly network: Network;
  readonly store: PackStore;
  readonly clock: Clock;
  readonly receiving: Receiving;
  readonly checked: CheckedPieces;
  readonly descriptorOf: (pack: PackId) => PackDescriptor | undefined;
  /** Peers that lied to this node, the latest last. */
  readonly distrusted: () => readonly PeerId[];
  /** Reads pieces from the last resorts of the fetches that cover them, or as many of their chunks as one does. */
  readonly readLastResort: (
    pack: PackId,
    wants: readonly PieceWant[],
    waiting: LastResortWaiting,
  ) => AsyncIterable<LastResortPiece>;
  /** Resolves when so many bytes may be taken from the last resort. Called before each piece of a run; default: at once. */
  readonly pace?: (
    bytes: number,
    waiting: { readonly signal: AbortSignal; readonly onWait: () => void },
  ) => Promise<void>;
  readonly say: (event: FetchEvent) => void;
  readonly heard: (news: RequestNews) => void;
  readonly observe?: TransferObserver | undefined;
}

export interface LastResortPiece {
  readonly piece: VerifiedPiece;
  readonly source: SourceKind;
}

export interface LastResortWaiting {
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** What the scheduler need not know and the accounts must. */
export type RequestNews =
  | {
      readonly kind: 'piece';
      readonly action: RequestAction;
      readonly source: SourceKind;
      readonly counted: CountedPiece;
    }
  /** Arrived for nothing. */
  | { readonly kind: 'duplicate'; readonly pack: PackId; readonly bytes: number }
  | { readonly kind: 'bad'; readonly pack: PackId; readonly action: RequestAction }
  /** Not what it should be, from a peer that had not looked: perhaps its disk has changed it. */
  | { readonly kind: 'damaged'; readonly pack: PackId; readonly peer: PeerId; readonly bytes: number }
  | { readonly kind: 'lastResortFailed'; readonly pack: PackId; readonly error: unknown }
  | { readonly kind: 'writeFailed'; readonly pack: PackId; readonly error: unknown };

/** A piece that has arrived and is being written. */
interface Landing {
  readonly piece: VerifiedPiece;
  readonly source: SourceKind;
  readonly wireBytes: number;
}

interface Running {
  readonly action: RequestAction;
  readonly controller: AbortController;
  readonly pack: PackId | undefined;
  /** Of the piece that comes now. */
  times: RequestTimes;
  receivedBytes: number;
  toldAtMs: number;
}

/** Progress is told at most this often: the scheduler looks at parts of a second, and over a slow link every read of a few KB would be a word to it. */
const TELL_EVERY_MS = 100;
/** Pieces of a run that may be waiting for the disk while the next is read. */
const MAX_UNWRITTEN = 2;

/** Does what the scheduler wants done: asks, checks every chunk, writes it, and says how it went. */
export function createRequestRunner(deps: RequestRunnerDeps): RequestRunner {
  const { network, store, clock, receiving, say, heard } = deps;
  const reports = createRequestReports(clock, deps.observe);
  const requests = createPieceRequests(network);
  const proofs = createPackProofs(network.peerId);
  const running = new Map<number, Running>();
  const landings = new Map<number, Landing>();

  const onProgress =
    (request: number, current: Running) =>
    (receivedBytes: number): void => {
      const isWaiting = receivedBytes === current.receivedBytes;
      current.receivedBytes = receivedBytes;
      const nowMs = clock.now();
      if (!isWaiting) current.times.firstByteAtMs ??= nowMs;
      if (nowMs - current.toldAtMs < TELL_EVERY_MS || !running.has(request)) return;
      current.toldAtMs = nowMs;
      say({ kind: 'progress', request, isWaiting });
    };

  const receivingOptions = (
    request: number,
    current: Running,
    { plainBytes, maxBytes }: { readonly plainBytes: number; readonly maxBytes: number },
  ): RequestOptions => {
    const tell = onProgress(request, current);
    return {
      signal: current.controller.signal,
      maxBytes,
      buffers: receiving.buffersFor(plainBytes, () => tell(current.receivedBytes)),
      onProgress: tell,
    };
  };

  /** Says that it is here, writes it, says that it is written. */
  const land = async (
    current: Running,
    piece: VerifiedPiece,
    source: SourceKind,
    request: number = current.action.request,
  ): Promise<void> => {
    const { action } = current;
    const { id } = piece.descriptor;
    const plainBytes = piece.bytes.length;
    const wireBytes = piece.frame?.length ?? plainBytes;
    const encoding: Encoding = piece.frame ? 'zstd' : 'plain';
    heard({ kind: 'piece', action, source, counted: { encoding, wireBytes, plainBytes } });
    const duplicateBytes = duplicateBytesOf(store, piece);
    if (duplicateBytes > 0) heard({ kind: 'duplicate', pack: id, bytes: duplicateBytes });
    const isPresent = reports.verified(current, piece, { source, wireBytes, duplicateBytes });
    landings.set(request, { piece, source, wireBytes });
    const given = action.kind === 'ask' ? { pack: id, piece: piece.piece, mask: piece.mask } : undefined;
    say({ kind: 'verified', request, given, wireBytes });
    try {
      await store.writePiece(piece);
      deps.checked.add(piece.descriptor, piece.piece, piece.mask);
      // A store need not call its listeners for what it had already.
      say({ kind: 'present', pack: id, piece: piece.piece, mask: piece.mask });
      isPresent(current.controller.signal.aborted);
    } catch (error) {
      reports.refused(current, 'writeFailed');
      heard({ kind: 'writeFailed', pack: id, error });
    } finally {
      landings.delete(request);
      say({ kind: 'landed', request });
    }
  };
  const askPeer = async (action: RequestAction & { kind: 'request' }, current: Running): Promise<void> => {
    const { request, peer, pack, piece, mask } = action;
    const descriptor = deps.descriptorOf(pack);
    if (!descriptor) return say({ kind: 'failed', request, reason: 'error' });
    const plainBytes = maskedBytes(descriptor, piece, mask);
    const options = receivingOptions(request, current, { plainBytes, maxBytes: plainBytes + 16 });
    const encode = (isPlain: boolean): Uint8Array =>
      encodeGetPiece({ pack, piece, mask, proof: isPlain ? undefined : proofs.of(descriptor, peer) });
    const { bytes, isChecked } = await requests.piece(peer, encode, options);
    current.times.wholeAtMs = clock.now();
    try {
      const answer = decodePieceAnswer(bytes);
      if (answer.kind === 'piece') return await land(current, verified(descriptor, { ...action, ...answer }), 'peer');
      reports.refused(current, answer.kind === 'busy' || answer.kind === 'absent' ? answer.kind : 'error');
      if (answer.kind === 'busy') say({ kind: 'failed', request, reason: 'busy', queueLength: answer.queueLength });
      else say({ kind: 'failed', request, reason: answer.kind === 'absent' ? 'absent' : 'error' });
      return;
    } catch (error) {
      if (isChecked || !isDamage(error)) throw error;
      heard({ kind: 'damaged', pack, peer, bytes: plainBytes });
      reports.refused(current, 'damaged');
    } finally {
      receiving.bank.give(bytes);
    }
    // Once more: an honest peer finds now what its disk has changed, drops it and says that it is absent.
    requests.distrustDisk(peer);
    current.receivedBytes = 0;
    current.times = beginTimes(clock.now());
    await askPeer(action, current);
  };

  const askSeeder = async (action: RequestAction & { kind: 'ask' }, current: Running): Promise<void> => {
    const { request, seeder } = action;
    const asked = new Map(action.entries.map(({ pack }) => [pack, deps.descriptorOf(pack)]));
    const entriesFor = (isPlain: boolean): AskedPack[] =>
      action.entries.flatMap(({ pack, need, have }) => {
        const shape = asked.get(pack);
        if (!shape) return [];
        const proof = isPlain ? undefined : proofs.of(shape, seeder);
        return [{ pack, need: pieceSetOf(need, shape), have: pieceSetOf(have, shape), proof }];
      });
    const distrusts = deps.distrusted().slice(-protocolLimits.maxDistrusts);
    const plainBytes = Math.max(
      0,
      ...[...asked.values()].map((shape) => (shape ? maskedBytes(shape, 0, fullMask(shape, 0)) : 0)),
    );
    const options = receivingOptions(request, current, { plainBytes, maxBytes: protocolLimits.maxAskAnswerBytes });
    const encode = (isPlain: boolean): Uint8Array => encodeAsk({ packs: entriesFor(isPlain), distrusts });
    const bytes = await requests.ask(seeder, encode, options);
    current.times.wholeAtMs = clock.now();
    try {
      await takeAskAnswer(action, current, decodeAskAnswer(bytes), asked);
    } finally {
      receiving.bank.give(bytes);
    }
  };
  const takeAskAnswer = async (
    action: RequestAction & { kind: 'ask' },
    current: Running,
    answer: AskAnswer,
    asked: ReadonlyMap<PackId, PackDescriptor | undefined>,
  ): Promise<void> => {
    const { request } = action;
    if (answer.kind !== 'given')
      reports.refused(current, answer.kind, answer.kind === 'wait' ? answer.ahead : undefined);
    if (answer.kind === 'wait') return say({ kind: 'wait', request, ahead: answer.ahead });
    if (answer.kind === 'dry') {
      const lacking = answer.lacking.flatMap(({ pack, set }) => {
        const shape = asked.get(pack);
        return shape ? [{ pack, masks: masksFrom(set, shape) }] : [];
      });
      return say({ kind: 'dry', request, lacking });
    }
    const descriptor = asked.get(answer.pack);
    if (!descriptor || answer.piece >= descriptor.pieceCount || answer.mask & ~fullMask(descriptor, answer.piece)) {
      throw new SwarmError('SWARM_BAD_MESSAGE', 'the seeder gave what nobody asked for');
    }
    await land(current, verified(descriptor, answer), 'seeder');
  };

  const readLastResort = async (
    action: RequestAction & { kind: 'readLastResort' },
    current: Running,
  ): Promise<void> => {
    const { request, pack, pieces } = action;
    const { signal } = current.controller;
    const tell = onProgress(request, current);
    const onBytes = (bytes: number): void => tell(current.receivedBytes + bytes);
    const waiting = new Map(pieces.map((one) => [one.piece, one]));
    const unwritten = new Set<Promise<void>>();
    const read = deps.readLastResort(pack, pieces, { signal, onBytes })[Symbol.asyncIterator]();
    let giveBack = (): void => {};
    try {
      for (const { piece, mask } of pieces) {
        const descriptor = deps.descriptorOf(pack);
        const onWait = (): void => tell(current.receivedBytes); // to wait for its turn is not to stall
        current.times = beginTimes(clock.now());
        if (descriptor) {
          const bytes = maskedBytes(descriptor, piece, mask);
          giveBack = await receiving.reserve(bytes, { signal, onWait });
          await deps.pace?.(bytes, { signal, onWait });
        }
        onWait();
        current.times.waitedMs = clock.now() - current.times.askedAtMs;
        const next = await read.next();
        current.times.wholeAtMs = clock.now();
        signal.throwIfAborted();
        if (next.done) break;
        const { piece: arrived, source } = next.value;
        const wanted = waiting.get(arrived.piece);
        if (!wanted || arrived.descriptor.id !== pack)
          throw new TypeError(`nobody asked for piece ${arrived.piece} of ${arrived.descriptor.id}`);
        waiting.delete(arrived.piece);
        // With the last piece the run counts as over: then the store must not be at it any more.
        if (waiting.size === 0) await read.return?.();
        current.receivedBytes = 0; // what follows belongs to the next piece
        const room = giveBack;
        giveBack = () => {};
        const landing = land(current, arrived, source, wanted.request).finally(() => {
          room();
          unwritten.delete(landing);
        });
        unwritten.add(landing);
        while (unwritten.size >= MAX_UNWRITTEN) await Promise.race(unwritten);
      }
      if (waiting.size > 0) {
        throw new SwarmError('SWARM_NO_SOURCE', `the last resort ended ${waiting.size} pieces early`, {
          details: { pack },
        });
      }
    } catch (error) {
      if (!signal.aborted) heard({ kind: 'lastResortFailed', pack, error });
      throw error;
    } finally {
      giveBack();
      await read.return?.();
    }
  };

  const perform = (action: RequestAction, current: Running): Promise<void> => {
    switch (action.kind) {
      case 'request':
        return askPeer(action, current);
      case 'ask':
        return askSeeder(action, current);
      case 'readLastResort':
        return readLastResort(action, current);
    }
  };

  return {
    run(action) {
      const current: Running = {
        action,
        times: beginTimes(clock.now()),
        controller: new AbortController(),
        pack: action.kind === 'ask' ? undefined : action.pack,
        receivedBytes: 0,
        // The first bytes from a seeder are news: the next ask may go out.
        toldAtMs: action.kind === 'ask' ? -Infinity : clock.now(),
      };
      running.set(action.request, current);
      perform(action, current)
        .catch((error: unknown) => {
          if (current.controller.signal.aborted) return;
          const isBad = action.kind !== 'readLastResort' && isLie(error);
          if (isBad) heard({ kind: 'bad', pack: current.pack ?? firstPack(action), action });
          reports.refused(current, isBad ? 'bad' : 'error');
          say({ kind: 'failed', request: action.request, reason: isBad ? 'bad' : 'error' });
        })
        .finally(() => running.delete(action.request));
    },
    cancel(request) {
      const current = running.get(request);
      if (!current) return;
      running.delete(request);
      if (current.times.wholeAtMs === undefined) reports.refused(current, 'cancelled');
      if (current.pack && current.receivedBytes > 0) {
        heard({ kind: 'duplicate', pack: current.pack, bytes: current.receivedBytes });
      }
      current.controller.abort(new SwarmError('SWARM_CLOSED', 'not wanted any more'));
    },
    arrivedFrom(pack, piece, mask) {
      for (const { piece: landing, source, wireBytes } of landings.values()) {
        if (landing.descriptor.id !== pack || landing.piece !== piece || (landing.mask & mask) === 0) continue;
        return { source, wireRatio: wireBytes / landing.bytes.length };
      }
      return undefined;
    },
    close() {
      const closing = new SwarmError('SWARM_CLOSED', 'the swarm is closing');
      for (const { controller } of running.values()) controller.abort(closing);
      running.clear();
      requests.stop();
    },
  };
}

function firstPack(action: RequestAction): PackId {
  if (action.kind !== 'ask') return action.pack;
  return action.entries[0]?.pack as PackId;
}
