/** How one direction of a link is shaped: `tc qdisc … tbf` in numbers. All sizes in bytes, headers of every segment included. */
export interface LinkShape {
  readonly rateBytesPerSecond: number;
  readonly burstBytes: number;
  readonly queueBytes: number;
}

/**
 * What an unlimited link is set to. A tbf too, so that a change of speed is a change of its numbers: its counters go on and what waits in it stays.
 * 12.5 GB/s is above what two veths and a bridge carry here.
 */
export const UNLIMITED: LinkShape = Object.freeze({
  rateBytesPerSecond: 12.5e9,
  burstBytes: 16 << 20,
  queueBytes: 32 << 20,
});

/** An Ethernet frame with 1500 bytes of IP in it, and the payload that TCP with timestamps puts there. */
export const FRAME_BYTES = 1514;
export const FRAME_PAYLOAD_BYTES = 1448;
export const FRAME_HEADER_BYTES: number = FRAME_BYTES - FRAME_PAYLOAD_BYTES;

/**
 * The largest run of segments that TCP may hand down at once, for links of this speed: 4 ms of it. A larger one would stand in the way of others (64 KiB last
 * 105 ms at 5 Mbit/s), a smaller one costs CPU at each of the hops.
 */
export function largestSegmentRun(rateBytesPerSecond: number): number {
  return Math.round(Math.min(65_536, Math.max(4 * FRAME_BYTES, rateBytesPerSecond * 0.004)));
}

/** `runBytes`: the longest run of segments that may arrive. tbf would cut what is larger than its bucket into single segments, which costs CPU. */
export function shapeFor(rateBytesPerSecond: number, runBytes: number): LinkShape {
  if (rateBytesPerSecond === Infinity) return UNLIMITED;
  return {
    rateBytesPerSecond: Math.max(1, Math.round(rateBytesPerSecond)),
    // Two runs with their headers, and 8 ms: when both cores are busy the timer that lets the next one out comes that late, and what does not fit is lost.
    burstBytes: Math.round(Math.max(2 * 1.1 * runBytes, rateBytesPerSecond * 0.008)),
    // A port of a switch: 20 ms, but never so short that two segments of each of 40 connections do not fit.
    queueBytes: Math.round(Math.max(192 << 10, rateBytesPerSecond * 0.02)),
  };
}

/** The words after `tc qdisc replace dev NAME root`. */
export function tbfWords(shape: LinkShape): string {
  return `handle 1: tbf rate ${shape.rateBytesPerSecond}bps burst ${shape.burstBytes}b limit ${shape.queueBytes}b`;
}
