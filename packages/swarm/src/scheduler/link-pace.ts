/**
 * How many pieces must be under way at once on this node's links, worked out from what is seen. A sender's slots and a receiver's window hide
 * the time that a request takes to come and go, and the fewer bytes a piece is to the link, the more pieces that time is worth: a round trip of
 * 2.2 ms is a quarter of a 1 MiB piece at 1 Gbit/s, and two and a half pieces at 10 Gbit/s. Nobody has to say how fast the link is.
 */
export interface LinkPace {
  /** A piece of so many bytes has arrived, or has left. */
  received(bytes: number, nowMs: number): void;
  sent(bytes: number, nowMs: number): void;
  /** A short message and its answer took so long. */
  roundTrip(ms: number, nowMs: number): void;
  readonly slots: PaceSlots;
  /** Of the pieces that came and went lately, as they crossed the link. */
  readonly pieceBytes: number;
  /** What a piece takes when the link carries nothing else. */
  readonly pieceMs: number;
  /**
   * How long news of a piece that has come may wait to be told together with more, when so many connected peers show it already: some pieces' time,
   * or telling costs more than it brings. What hardly anybody has is told almost at once, for a piece that has just left the store is what all
   * wait for: at 10 Gbit/s and 100 nodes that takes the lag behind the bound from 0.27 to 0.18 (512 pieces; to 0.20 if only what a seeder gave is
   * hurried, to 0.16 if news of what two others have is).
   */
  tellAfterMs(holders: number): number;
  /** The fastest seen lately, bytes per second; 0 before anything was measured. */
  readonly linkBytesPerSecond: number;
  readonly roundTripMs: number;
}

export interface PaceSlots {
  /** Pieces that a sender serves at once, */
  readonly slots: number;
  /** and requests that wait there beyond those. */
  readonly queue: number;
  /** Pieces that a receiver has under way. More than a sender takes starves nodes with few neighbours. */
  readonly window: number;
}

/**
 * From the prototype's two tables (scheduling: 1 and 10 Gbit/s) and the simulator: 8 flows share a link as smoothly as a fluid, and with each piece that a
 * round trip is worth, three more are under way at a sender and three more wait. A receiver has one less under way than
 * a sender takes: as many would cost 0.004 less of the bound and bring two to three times as many answers "busy".
 */
const BASE: PaceSlots = { slots: 8, queue: 2, window: 9 };
const PER_PIECE = { slots: 3, queue: 3 };
/** Where a piece takes so long, more flows make it smoother still: 32 MiB at 20 Mbit/s come within 1.07 instead of 1.09 of the bound on 40 hosts (origin 4 ×). */
const SLOW_PIECE_MS = 20;
const SLOW_SLOTS = 4;
/** A slot holds a piece in memory. */
const MAX_PIECES_OF_DELAY = 8;
/** The rate is that of so many pieces in a row: fewer and it is chance. */
const BATCH_PIECES = 64;
/** Until something is known: 1 Gbit/s. */
const FIRST_PIECE_MS = 8.4;
/** News 10 ms old cost nothing at 10 Gbit/s, and 80 ms old 0.002 of the bound at 1 Gbit/s (simulated, 100 nodes). */
const TELL_PIECES = 10;
const MIN_TELL_MS = 10;
const MAX_TELL_MS = 80;
/** Over a slow link, at 20 Mbit/s, it costs less than 0.01 (simulated, 40 nodes), for half of the messages: where nodes share cores they spend more on these than on the pieces. */
const SLOW_TELL_MS = 250;
/** So many connected peers that show a piece make no crowd. */
const RARE_HOLDERS = 1;
/** What was seen so long ago may be another link. */
const FORGET_MS = 60_000;

export function createLinkPace(): LinkPace {
  const inward = createPeakRate();
  const outward = createPeakRate();
  let pieceBytes = 1024 * 1024;
  let roundTripMs = 0;
  let roundTripAtMs = -Infinity;
  let slots = BASE;

  const pieceMs = (): number => {
    const rate = Math.max(inward.bytesPerSecond, outward.bytesPerSecond);
    return rate > 0 ? (1000 * pieceBytes) / rate : FIRST_PIECE_MS;
  };
  const refresh = (): void => {
    const rate = Math.max(inward.bytesPerSecond, outward.bytesPerSecond);
    const delay = Math.min(MAX_PIECES_OF_DELAY, (roundTripMs / 1000) * (rate / pieceBytes));
    const slow = pieceMs() > SLOW_PIECE_MS ? SLOW_SLOTS : 0;
    const senders = BASE.slots + slow + Math.floor(PER_PIECE.slots * delay);
    const queue = BASE.queue + Math.floor(PER_PIECE.queue * delay);
    slots = { slots: senders, queue, window: senders + queue - 1 };
  };
  const passed = (direction: PeakRate, bytes: number, nowMs: number): void => {
    pieceBytes += (bytes - pieceBytes) / BATCH_PIECES;
    if (direction.passed(bytes, nowMs)) refresh();
  };
  return {
    received: (bytes, nowMs) => passed(inward, bytes, nowMs),
    sent: (bytes, nowMs) => passed(outward, bytes, nowMs),
    roundTrip(ms, nowMs) {
      // The shortest: all that is longer is somebody's CPU, which more requests would not help.
      if (ms > roundTripMs && nowMs - roundTripAtMs < FORGET_MS) return;
      roundTripMs = ms;
      roundTripAtMs = nowMs;
      refresh();
    },
    get slots() {
      return slots;
    },
    get pieceBytes() {
      return pieceBytes;
    },
    get pieceMs() {
      return pieceMs();
    },
    tellAfterMs(holders) {
      if (holders <= RARE_HOLDERS) return Math.max(1, Math.min(MAX_TELL_MS, pieceMs()));
      const mostMs = pieceMs() > SLOW_PIECE_MS ? SLOW_TELL_MS : MAX_TELL_MS;
      return Math.max(MIN_TELL_MS, Math.min(mostMs, TELL_PIECES * pieceMs()));
    },
    get linkBytesPerSecond() {
      return Math.max(inward.bytesPerSecond, outward.bytesPerSecond);
    },
    get roundTripMs() {
      return roundTripMs;
    },
  };
}

interface PeakRate {
  /** Returns whether the rate is another now. */
  passed(bytes: number, nowMs: number): boolean;
  readonly bytesPerSecond: number;
}

/** The highest rate of any batch, forgotten after a while. */
function createPeakRate(): PeakRate {
  let bytesPerSecond = 0;
  let peakAtMs = -Infinity;
  let sinceMs: number | undefined;
  let pieces = 0;
  let bytes = 0;
  return {
    passed(more, nowMs) {
      sinceMs ??= nowMs;
      pieces += 1;
      bytes += more;
      if (pieces <= BATCH_PIECES || nowMs <= sinceMs) return false;
      const rate = ((bytes - more) * 1000) / (nowMs - sinceMs);
      sinceMs = nowMs;
      pieces = 1;
      bytes = more;
      if (rate <= bytesPerSecond && nowMs - peakAtMs < FORGET_MS) return false;
      bytesPerSecond = rate;
      peakAtMs = nowMs;
      return true;
    },
    get bytesPerSecond() {
      return bytesPerSecond;
    },
  };
}
