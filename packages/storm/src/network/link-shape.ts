/**
 * How one direction of a link is shaped: `tc qdisc … tbf` in numbers. All sizes in bytes, headers of every segment included.
 *
 * Measured with the numbers below (kernel 6.18, two cores that were quite busy with other things, 3 to 5 s after 2 s; the rate counts headers, the share is
 * that of the least and of the most of the connections, 1 where all have the same):
 *
 *   Mbit/s  connections into, out of one host   of the rate     sent again  round trip   share
 *        5   1                                  100.0 %         0            23 ms
 *        5  20                                  100.0,  99.6 %  0           157, 365 ms  0.77 to 1.23, 0.96 to 1.01
 *        5  40                                  100.1, 100.6 %  0           150, 330 ms  0.00 to 3.43, 0.03 to 2.05
 *       20   1                                  100.0 %         0             8 ms
 *       20  10                                  100.0,  99.9 %  0            49,  50 ms  0.99 to 1.01, 0.99 to 1.01
 *       20  40                                  100.0, 100.3 %  0            77, 195 ms  0.89 to 1.05, 0.58 to 1.09
 *      100   1                                  100.0 %         0             4 ms
 *      100  40                                  100.0,  99.9 %  0           158, 165 ms  0.96 to 1.07, 0.98 to 1.02
 *     1000  10                                  100.0,  97.9 %  0            12,  11 ms  0.77 to 1.34, 0.96 to 1.03
 *
 * htb with 32 classes, chosen by a hash of addresses and ports, was tried too: connections that meet in a class have half as much (0.4 to 1.9), and round trips
 * were longer (100 to 350 ms with 40 connections at 20 Mbit/s).
 */
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
 * The largest run of segments that TCP may hand down at once: 2 ms of the link, and four segments at least. A connection holds two runs in all queues of its way
 * together (TCP small queues; veth leaves them with their owner), so short runs keep queues short and shares even, but each costs CPU at every hop: two
 * segments 4 to 5 s a GB from process to process, four 1.6 s, 64 KiB 0.5 s (machine of two cores, busy with other things).
 */
export function largestSegmentRun(rateBytesPerSecond: number): number {
  return Math.round(Math.min(65_536, Math.max(4 * FRAME_BYTES, rateBytesPerSecond * 0.002)));
}

/** `runBytes`: the longest run of segments that may arrive. tbf would cut what is larger than its bucket into single segments, which costs CPU. */
export function shapeFor(rateBytesPerSecond: number, runBytes: number): LinkShape {
  if (rateBytesPerSecond === Infinity) return UNLIMITED;
  return {
    rateBytesPerSecond: Math.max(1, Math.round(rateBytesPerSecond)),
    // Two runs with their headers, and 8 ms: when both cores are busy the timer that lets the next one out comes that late, and what does not fit is lost.
    burstBytes: Math.round(Math.max(2 * 1.1 * runBytes, rateBytesPerSecond * 0.008)),
    // Two runs for each of 42 connections: then nothing is lost. But no more than lasts 200 ms, unless that is too little for any number of connections.
    queueBytes: Math.round(Math.max(256 << 10, Math.min(84 * runBytes, rateBytesPerSecond * 0.2))),
  };
}

/** The words after `tc qdisc replace dev NAME root`. */
export function tbfWords(shape: LinkShape): string {
  return `handle 1: tbf rate ${shape.rateBytesPerSecond}bps burst ${shape.burstBytes}b limit ${shape.queueBytes}b`;
}
