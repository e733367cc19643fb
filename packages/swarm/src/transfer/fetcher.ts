import type { PackDescriptor, PackId, PackStore, PackWant, PieceWant, SourceKind, Swarm } from '@quarry/content';
import type { FetchReport, PieceSource } from '@quarry/content';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { Network, PeerId } from '../ports/network.ts';
import type { FetchAction, FetchEvent, FetchWant, GivenPiece, KnownOfPack } from '../scheduler/fetch-events.ts';
import { createFetchScheduler } from '../scheduler/fetch-scheduler.ts';
import type { SchedulerLoad } from '../scheduler/fetch-scheduler.ts';
import type { LinkPace } from '../scheduler/link-pace.ts';
import { emptyMasks, isEmptyMasks, masksOf, shapeFor } from '../scheduler/piece-masks.ts';
import type { PackShape, PieceMasks } from '../scheduler/piece-masks.ts';
import type { SchedulerOptions } from '../scheduler/scheduler-options.ts';
import { SwarmError } from '../swarm-error.ts';
import { createFetchAccount } from './fetch-account.ts';
import type { FetchAccount } from './fetch-account.ts';
import type { CheckedPieces } from './checked-pieces.ts';
import type { Receiving } from './receiving.ts';
import { createRequestRunner } from './run-requests.ts';
import type { LastResortPiece, LastResortWaiting, RequestNews, RequestRunnerDeps } from './run-requests.ts';
import type { TrafficCounts } from './traffic-counts.ts';
import type { TransferObserver } from './transfer-events.ts';
import { createLoadSampler } from './sample-load.ts';

export interface FetcherDeps {
  readonly network: Network;
  readonly store: PackStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly traffic: TrafficCounts;
  readonly receiving: Receiving;
  readonly checked: CheckedPieces;
  readonly linkPace: LinkPace;
  /** From the store or from peers, and then in the store. */
  readonly getDescriptor: (pack: PackId, signal: AbortSignal | undefined) => Promise<PackDescriptor>;
  /** The packs wanted now are others. Resolves when peers have had time to say what they have of them. */
  readonly wantsChanged: (added: readonly PackId[], signal: AbortSignal | undefined) => Promise<void>;
  readonly knownOf: (descriptor: PackDescriptor) => KnownOfPack;
  /** What this node would read from last resorts, and is reading. */
  readonly originDemand: (wantsReads: number, heldReads: number) => void;
  /** Resolves when so many bytes may be taken from a last resort. */
  readonly pace: NonNullable<RequestRunnerDeps['pace']>;
  readonly ban: (peer: PeerId, reason: string) => void;
  readonly distrusted: () => readonly PeerId[];
  readonly seek: (pack: PackId, piece: number) => void;
  readonly observe?: TransferObserver | undefined;
}

/** Runs all fetches of this node through one scheduler. */
export interface Fetcher {
  fetch: Swarm['fetch'];
  /** News from outside: peers, what they have, members, rates. */
  say(event: FetchEvent): void;
  /** See FetchScheduler. */
  holders(pack: PackId, piece: number): number;
  wants(pack: PackId): PackDescriptor | undefined;
  wanted(): Iterable<PackId>;
  /** What all fetches still need, from their first moment on; packs of which all is here are not named. */
  needs(): readonly FetcherNeed[];
  load(): SchedulerLoad;
  fetches(): readonly FetchView[];
  close(): void;
}

export interface FetcherNeed {
  readonly pack: PackId;
  readonly shape: PackShape;
  readonly need: PieceMasks;
  readonly have: PieceMasks;
}

export interface FetchView {
  readonly packs: number;
  readonly wantedBytes: number;
  readonly fetchedBytes: number;
  readonly bytesBySource: Readonly<Record<SourceKind, number>>;
  readonly wireBytes: number;
  readonly wireBytesBySource: Readonly<Record<SourceKind, number>>;
}

/** A timer that fires so late was held up by this host, and with it everything that arrived meanwhile. */
const HELD_UP_MS = 200;

interface RunningFetch {
  readonly packs: ReadonlyMap<PackId, PackDescriptor>;
  readonly account: FetchAccount;
  readonly lastResort: PieceSource | undefined;
  lastResortError: unknown;
  readonly resolve: (report: FetchReport) => void;
  readonly reject: (reason: unknown) => void;
}

export function createFetcher(
  deps: FetcherDeps,
  options: { readonly giveUpMs: number; readonly scheduler: SchedulerOptions },
): Fetcher {
  const { network, store, clock, logger, traffic } = deps;
  const scheduler = createFetchScheduler(
    { self: network.peerId, random: deps.random, pace: deps.linkPace },
    options.scheduler,
  );
  const begun = new Map<number, readonly PackWant[]>();
  const running = new Map<number, RunningFetch>();
  const packs = new Map<PackId, { readonly descriptor: PackDescriptor; uses: number }>();
  let lastFetch = 0;
  let cancelTick = (): void => {};
  let tickAtMs: number | undefined;
  let closed: SwarmError | undefined;

  const sampleLoad = createLoadSampler(deps, () => scheduler.load());
  const say = (event: FetchEvent): void => {
    if (closed) return;
    for (const action of scheduler.handle(event, clock.now())) perform(action);
    sampleLoad?.();
    const wakeAtMs = scheduler.wakeAtMs();
    if (wakeAtMs === tickAtMs) return;
    cancelTick();
    tickAtMs = wakeAtMs;
    if (wakeAtMs === undefined) return;
    // Never less than a millisecond: a timer may fire an unmeasurable moment early, and would be set again for ever.
    cancelTick = clock.after(Math.max(1, wakeAtMs - clock.now()), () => {
      tickAtMs = undefined;
      const lateMs = clock.now() - wakeAtMs;
      say(lateMs > HELD_UP_MS ? { kind: 'heldUp', ms: lateMs } : { kind: 'tick' });
    });
  };
  const perform = (action: FetchAction): void => {
    switch (action.kind) {
      case 'request':
      case 'ask':
      case 'readLastResort':
        return requests.run(action);
      case 'cancel':
        return requests.cancel(action.request);
      case 'originDemand':
        return deps.originDemand(action.wantsReads, action.heldReads);
      case 'seek':
        return deps.seek(action.pack, action.piece);
      case 'ban':
        return deps.ban(action.peer, action.reason);
      case 'done': {
        const fetch = running.get(action.fetch);
        if (fetch) end(action.fetch, () => fetch.resolve(fetch.account.report()));
        return;
      }
      case 'noSource': {
        const fetch = running.get(action.fetch);
        if (fetch) end(action.fetch, () => fetch.reject(noSource(action, options.giveUpMs, fetch.lastResortError)));
      }
    }
  };
  const end = (id: number, settle: () => void): void => {
    const fetch = running.get(id);
    if (!fetch) return;
    running.delete(id);
    for (const pack of fetch.packs.keys()) {
      const known = packs.get(pack);
      if (known && (known.uses -= 1) === 0) packs.delete(pack);
    }
    settle();
    deps.wantsChanged([], undefined).catch(() => {});
  };

  const heard = (news: RequestNews): void => {
    switch (news.kind) {
      case 'piece': {
        const { action } = news;
        const peer = action.kind === 'request' ? action.peer : action.kind === 'ask' ? action.seeder : undefined;
        return traffic.received(peer, news.source, news.counted);
      }
      case 'duplicate':
        traffic.wasted(news.bytes);
        for (const { account } of running.values()) if (account.wants(news.pack)) account.duplicate(news.bytes);
        return;
      case 'bad':
        if (news.action.kind === 'request') traffic.bad(news.action.peer);
        for (const { account } of running.values()) if (account.wants(news.pack)) account.bad();
        return;
      case 'damaged':
        logger.debug('a peer sent other bytes than were asked for, unchecked: it is asked to check', {
          pack: news.pack,
          peer: news.peer,
        });
        return heard({ kind: 'duplicate', pack: news.pack, bytes: news.bytes });
      case 'lastResortFailed':
        logger.debug('a read from the last resort failed', { pack: news.pack, error: String(news.error) });
        for (const fetch of running.values()) if (fetch.packs.has(news.pack)) fetch.lastResortError = news.error;
        return;
      case 'writeFailed':
        // Nothing that the swarm could do about a full disk: whoever wants the pack must know now.
        for (const [id, fetch] of running) {
          if (!fetch.packs.has(news.pack)) continue;
          end(id, () => fetch.reject(news.error));
          say({ kind: 'fetchEnded', fetch: id });
        }
    }
  };

  /** Of several fetches with a last resort the first that covers a piece reads it; in their order, for each in the order of the run. */
  async function* readLastResort(
    pack: PackId,
    wants: readonly PieceWant[],
    waiting: LastResortWaiting,
  ): AsyncGenerator<LastResortPiece> {
    let left = wants;
    for (const { lastResort, packs: wanted } of running.values()) {
      if (!lastResort || !wanted.has(pack)) continue;
      const covered = left
        .map(({ piece, mask }) => ({ piece, mask: coveredMask(lastResort, pack, piece, mask) }))
        .filter(({ mask }) => mask !== 0);
      if (covered.length === 0) continue;
      const { kind: source } = lastResort;
      for await (const piece of lastResort.readPieces(pack, covered, waiting)) yield { piece, source };
      left = left.filter(({ piece }) => !covered.some((one) => one.piece === piece));
    }
    if (left.length === 0) return;
    throw new SwarmError('SWARM_NO_SOURCE', 'no last resort covers these pieces any more', {
      details: { pack, pieces: left.map(({ piece }) => piece) },
    });
  }

  const requests = createRequestRunner({
    network,
    store,
    clock,
    receiving: deps.receiving,
    checked: deps.checked,
    descriptorOf: (pack) => packs.get(pack)?.descriptor,
    distrusted: deps.distrusted,
    readLastResort,
    pace: deps.pace,
    say,
    heard,
    observe: deps.observe,
  });
  const stopListening = store.onPresent((pack, piece, mask) => {
    if (!deps.observe && !packs.has(pack)) return;
    const requested = requests.arrivedFrom(pack, piece, mask);
    if (!requested) deps.observe?.({ kind: 'appeared', pack, piece, atMs: clock.now() });
    if (!packs.has(pack)) return;
    const from = requested ?? { source: 'local', wireRatio: 0 };
    for (const { account } of running.values()) account.arrived(pack, piece, mask, from);
    say({ kind: 'present', pack, piece, mask });
  });

  const prepare = async (wants: readonly PackWant[], signal: AbortSignal | undefined): Promise<PreparedPack[]> => {
    const merged = new Map<PackId, PieceMasks>();
    for (const { pack, chunks } of wants) {
      const masks = masksOf(chunks);
      const known = merged.get(pack);
      merged.set(pack, known ? masks.map((mask, piece) => mask | (known[piece] ?? 0)) : masks);
    }
    const prepared: PreparedPack[] = [];
    for (const [pack, wanted] of merged) {
      const descriptor = await deps.getDescriptor(pack, signal);
      if (descriptor.pieceCount !== wanted.length) {
        throw new TypeError(`pack ${pack} has ${descriptor.chunkCount} chunks, the want is for another number`);
      }
      prepared.push({ descriptor, wanted });
    }
    return prepared;
  };

  const fetch: Swarm['fetch'] = async (wants, { signal, lastResort, onProgress } = {}) => {
    if (closed) throw closed;
    signal?.throwIfAborted();
    const lease = store.lease(wants.map(({ pack }) => pack));
    const id = (lastFetch += 1);
    const registered: PackId[] = [];
    begun.set(id, wants);
    try {
      const prepared = await prepare(wants, signal);
      for (const { descriptor } of prepared) {
        const known = packs.get(descriptor.id);
        if (known) known.uses += 1;
        else packs.set(descriptor.id, { descriptor, uses: 1 });
        registered.push(descriptor.id);
      }
      await deps.wantsChanged(registered, signal);
      if (closed) throw closed;
      // From here to the scheduler nothing waits: what becomes present is either seen here or told by the store's listener.
      const present = prepared.map(({ descriptor }) => presentMasks(store, descriptor));
      const account = createFetchAccount(
        prepared.map(({ descriptor, wanted }, i) => ({ descriptor, wanted, present: present[i] as PieceMasks })),
        { now: () => clock.now(), onProgress },
      );
      const event = prepared.map(({ descriptor, wanted }, i): FetchWant => {
        const have = present[i] as PieceMasks;
        const need = wanted.map((mask, piece) => mask & ~(have[piece] ?? 0));
        const cover = lastResort && coverOf(lastResort, descriptor, need);
        return { descriptor, need, have, cover, known: deps.knownOf(descriptor) };
      });
      return await new Promise<FetchReport>((resolve, reject) => {
        const packsOf = new Map(prepared.map(({ descriptor }) => [descriptor.id, descriptor]));
        running.set(id, { packs: packsOf, account, lastResort, lastResortError: undefined, resolve, reject });
        registered.length = 0; // `end` lets go of them now
        const onAbort = (): void => {
          end(id, () => reject(signal?.reason));
          say({ kind: 'fetchEnded', fetch: id });
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        if (signal?.aborted) return onAbort();
        say({ kind: 'fetch', fetch: id, wants: event, giveUpMs: options.giveUpMs });
      });
    } finally {
      begun.delete(id);
      for (const pack of registered) {
        const known = packs.get(pack);
        if (known && (known.uses -= 1) === 0) packs.delete(pack);
      }
      lease.release();
    }
  };

  const needs = (): readonly FetcherNeed[] => {
    const needed = new Map<PackId, FetcherNeed>();
    for (const { pack, chunks } of [...begun.values()].flat()) {
      const shape = shapeFor(chunks.chunkCount);
      const present = store.present(pack);
      const have = present ? masksOf(present) : emptyMasks(shape.pieceCount);
      const known = needed.get(pack)?.need;
      const need = masksOf(chunks).map((mask, piece) => (mask & ~(have[piece] ?? 0)) | (known?.[piece] ?? 0));
      if (!isEmptyMasks(need)) needed.set(pack, { pack, shape, need, have });
    }
    return [...needed.values()];
  };

  return {
    fetch,
    say,
    needs,
    holders: (pack, piece) => scheduler.holders(pack, piece),
    wants: (pack) => packs.get(pack)?.descriptor,
    wanted: () => packs.keys(),
    load: () => scheduler.load(),
    fetches: () => [...running.values()].map((one) => ({ packs: one.packs.size, ...one.account.progress() })),
    close() {
      if (closed) return;
      closed = new SwarmError('SWARM_CLOSED', 'the swarm is closed');
      cancelTick();
      stopListening();
      requests.close();
      for (const [id, fetch] of running) end(id, () => fetch.reject(closed));
    },
  };
}

interface PreparedPack {
  readonly descriptor: PackDescriptor;
  readonly wanted: PieceMasks;
}

function presentMasks(store: PackStore, descriptor: PackDescriptor): PieceMasks {
  const present = store.present(descriptor.id);
  return present ? masksOf(present) : emptyMasks(descriptor.pieceCount);
}

/** Whole pieces first: a source that covers all of a piece, as an image's origin mostly does, is asked once for it. */
function coveredMask(source: PieceSource, pack: PackId, piece: number, mask: number): number {
  if (mask === 0 || source.covers(pack, piece, mask)) return mask;
  let covered = 0;
  for (let bit = 1; bit <= mask; bit <<= 1) if ((mask & bit) !== 0 && source.covers(pack, piece, bit)) covered |= bit;
  return covered;
}

function coverOf(source: PieceSource, descriptor: PackDescriptor, need: PieceMasks): PieceMasks | undefined {
  const cover = need.map((mask, piece) => coveredMask(source, descriptor.id, piece, mask));
  return isEmptyMasks(cover) ? undefined : cover;
}

function noSource(action: FetchAction & { readonly kind: 'noSource' }, giveUpMs: number, cause: unknown): SwarmError {
  const named = new Set(action.missing.map(({ pack }: GivenPiece) => pack));
  return new SwarmError(
    'SWARM_NO_SOURCE',
    `${action.missingChunks} chunks of ${[...named].join(', ')} are to be had from nobody: nothing came for ${giveUpMs} ms`,
    { details: { missingChunks: action.missingChunks, missing: action.missing, giveUpMs }, cause, canRetry: true },
  );
}
