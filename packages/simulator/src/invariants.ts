import { chunksPerPieceFor, limits } from '@quarry/content';
import { formatBytes } from '@quarry/runtime';
import type { Storm } from '@quarry/scenario';
import { PURSE_BURST_BYTES } from '@quarry/swarm/scheduler';
import { expectedToFinish } from './expected-to-finish.ts';
import { RateCheck } from './rate-check.ts';
import type { BrokenInvariant, InvariantName } from './simulation.ts';
import { SLICE_BYTES } from './world/paced-transfers.ts';

/**
 * What must hold whatever happens, kept as the simulation goes. The world reports what it sees, this says what is wrong with it.
 * After so many of one kind only their number is kept: a broken rule tends to be broken a thousand times.
 */
export interface Invariants {
  /** Bytes that left the origin's link, seeders and store alike, spread evenly over the time; `fromMs` ≤ `untilMs`, in any order. */
  originBytes(fromMs: number, untilMs: number, bytes: number): void;
  /**
   * Chunks of a piece that the origin gave: a seeder sent them, or a node read them from the store. `mask` as everywhere: the piece's first chunk in the lowest bit.
   * Whatever left before needs a reason ('holderGone', 'unshown', 'banned' …), which `why` is asked for then; without one the rule is broken.
   */
  originRead(atMs: number, pack: number, piece: number, mask: number, why?: () => string | undefined): void;
  /** From now on this host or seeder may take so much from the origin, until that time. A later word replaces it. */
  leased(atMs: number, endpoint: number, bytesPerSecond: number, untilMs: number): void;
  /** Who takes bytes from the origin at once: reads of the store, pieces that seeders send. What is not told stays. */
  originTakers(now: { readonly reads?: number; readonly sends?: number }): void;
  /** Reads of the store under way, over the whole cluster, each time their number grows. */
  readsNow(atMs: number, count: number): void;
  /** A chunk became present somewhere; `isGood`: it is what its digest says. */
  chunkAccepted(atMs: number, host: number, pack: number, chunk: number, isGood: boolean): void;
  /** An unshelve, by its number in the storm, finished; or ended with an error. */
  ended(atMs: number, unshelve: number, error?: string): void;
  /** The run is over, at its limit or because nothing happens any more. To be called once. */
  finish(atMs: number): InvariantReport;
  /** How many were broken until now, kept or not. */
  readonly brokenCount: number;
}

export interface InvariantReport {
  /** In the order of their times. */
  readonly broken: readonly BrokenInvariant[];
  readonly brokenCount: number;
  /** Chunks that left the origin again, by reason; `none` where there was none. */
  readonly regives: Readonly<Record<string, number>>;
  readonly badChunksAccepted: number;
  /** Unshelves that had to finish, and those that finished though nobody could demand it. */
  readonly expectedToFinish: number;
}

const KEPT_PER_NAME = 20;
/** Sums of a million fractions are not exact. */
const ROUNDING = 1 + 1e-6;
/** In the longer one what may be saved up counts for little. */
const CHECKED_SPANS_MS = [1000, 10_000];

export function createInvariants(storm: Storm): Invariants {
  const { budgetBytesPerSecond, budgetReads } = storm.origin;
  const demanded = expectedToFinish(storm);
  const rate = new RateCheck();
  const given = storm.packs.map((pack) => new Uint8Array(pack.chunks));
  const endedWith = new Map<number, string | undefined>();
  const regives = new Map<string, number>();
  const counts = new Map<InvariantName, number>();
  const broken: BrokenInvariant[] = [];
  const leases = new Map<number, { readonly bytesPerSecond: number; readonly untilMs: number }>();
  /** Hosts and seeders that have ever had a lease. */
  const holders = new Set<number>();
  let [mostReads, mostSends] = [0, 0];
  let brokenCount = 0;
  let badChunksAccepted = 0;

  const fail = (atMs: number, name: InvariantName, message: string): void => {
    brokenCount += 1;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count <= KEPT_PER_NAME) broken.push({ atMs, name, message });
  };
  const nameOf = (unshelve: number): string => {
    const { host, image, atMs } = storm.unshelves[unshelve] ?? { host: -1, image: -1, atMs: 0 };
    return `the unshelve of ${storm.images[image]?.name ?? image} at ${storm.hosts[host]?.name ?? host}, begun at ${seconds(atMs)}`;
  };

  /** Beyond the budget, in any span: what was saved up before it, and what had been taken and was still on its way. */
  const burstBytes = (): number =>
    holders.size * PURSE_BURST_BYTES + mostReads * largestPieceBytes(storm) + mostSends * SLICE_BYTES;
  const checkSpan = (spanMs: number): void => {
    if (budgetBytesPerSecond === Infinity) return;
    const fullest = rate.fullest(spanMs);
    const allowed = (budgetBytesPerSecond * spanMs) / 1000;
    if (fullest.bytes <= allowed * ROUNDING + burstBytes() + 1) return;
    fail(
      fullest.endMs,
      'budgetExceeded',
      `${formatBytes(fullest.bytes)} left the origin in ${spanMs / 1000} s, where the budget is ${formatBytes(allowed)} and ${formatBytes(burstBytes())} at most were saved up or on their way`,
    );
  };

  return {
    get brokenCount() {
      return brokenCount;
    },
    originBytes(fromMs, untilMs, bytes) {
      if (budgetBytesPerSecond < Infinity) rate.add(fromMs, untilMs, bytes);
    },
    originRead(atMs, pack, piece, mask, why) {
      const chunks = given[pack];
      if (!chunks) throw new TypeError(`the storm has no pack ${pack}`);
      let again = 0;
      const first = piece * chunksPerPieceFor(chunks.length);
      for (let bit = 0; mask >> bit !== 0; bit += 1) {
        if (((mask >> bit) & 1) === 0) continue;
        if (chunks[first + bit] === 1) again += 1;
        else chunks[first + bit] = 1;
      }
      if (again === 0) return;
      const reason = why?.();
      regives.set(reason ?? 'none', (regives.get(reason ?? 'none') ?? 0) + again);
      if (reason === undefined)
        fail(
          atMs,
          'readTwice',
          `${again} chunks of pack ${pack} piece ${piece} left the origin again for no recorded reason`,
        );
    },
    leased(atMs, endpoint, bytesPerSecond, untilMs) {
      leases.delete(endpoint);
      if (bytesPerSecond === 0) return;
      holders.add(endpoint);
      leases.set(endpoint, { bytesPerSecond, untilMs });
      if (budgetBytesPerSecond === Infinity) return;
      let sum = 0;
      for (const lease of leases.values()) if (lease.untilMs > atMs) sum += lease.bytesPerSecond;
      if (sum > budgetBytesPerSecond * ROUNDING + 1)
        fail(
          atMs,
          'budgetExceeded',
          `all together may take ${formatBytes(sum)} a second from the origin, where the budget is ${formatBytes(budgetBytesPerSecond)}`,
        );
    },
    originTakers({ reads = 0, sends = 0 }) {
      mostReads = Math.max(mostReads, reads);
      mostSends = Math.max(mostSends, sends);
    },
    readsNow(atMs, count) {
      if (count > budgetReads)
        fail(atMs, 'tooManyReads', `${count} reads of the store at once, where the budget allows ${budgetReads}`);
    },
    chunkAccepted(atMs, host, pack, chunk, isGood) {
      if (isGood) return;
      badChunksAccepted += 1;
      fail(
        atMs,
        'badChunkAccepted',
        `${storm.hosts[host]?.name ?? host} accepted a bad chunk: pack ${pack} chunk ${chunk}`,
      );
    },
    ended(atMs, unshelve, error) {
      endedWith.set(unshelve, error);
      if (error !== undefined && demanded.has(unshelve))
        fail(atMs, 'failed', `${nameOf(unshelve)}, could have finished but failed: ${error}`);
    },
    finish(atMs) {
      for (const spanMs of CHECKED_SPANS_MS) checkSpan(spanMs);
      for (const [unshelve, { host, atMs: beganMs }] of storm.unshelves.entries()) {
        if (endedWith.has(unshelve) || beganMs >= storm.limitMs) continue;
        if (demanded.has(unshelve)) fail(atMs, 'unfinished', `${nameOf(unshelve)}, could have finished and did not`);
        else if (isAwake(storm, host, beganMs)) fail(atMs, 'hung', `${nameOf(unshelve)}, neither finished nor failed`);
      }
      for (const [name, count] of counts)
        if (count > KEPT_PER_NAME) broken.push({ atMs, name, message: `${count - KEPT_PER_NAME} more like this` });
      const finished = [...endedWith].filter(([, error]) => error === undefined).map(([unshelve]) => unshelve);
      return {
        broken: broken.toSorted((a, b) => a.atMs - b.atMs),
        brokenCount,
        regives: Object.fromEntries([...regives].toSorted(([a], [b]) => (a < b ? -1 : 1))),
        badChunksAccepted,
        expectedToFinish: new Set([...demanded, ...finished]).size,
      };
    },
  };
}

function largestPieceBytes({ packs }: Storm): number {
  return (
    limits.fixedChunkBytes * Math.max(0, ...packs.map(({ chunks }) => Math.min(chunks, chunksPerPieceFor(chunks))))
  );
}

/** Whether the host lives from `sinceMs` to the end and is not stalled for good: then what it waits for has to end somehow. */
function isAwake(storm: Storm, host: number, sinceMs: number): boolean {
  const own = storm.faults.filter((fault) => 'host' in fault && fault.host === host);
  if (own.some((fault) => fault.kind === 'stall' && fault.untilMs >= storm.limitMs)) return false;
  if (own.some((fault) => fault.kind === 'kill' && fault.atMs >= sinceMs)) return false;
  const deaths = own.filter((fault) => fault.kind === 'kill' || fault.kind === 'restart');
  return deaths.toSorted((a, b) => a.atMs - b.atMs).findLast((fault) => fault.atMs <= sinceMs)?.kind !== 'kill';
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
