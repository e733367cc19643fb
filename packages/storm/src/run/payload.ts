import type { LinkCounters } from '../storm-network.ts';

/** Ethernet 14, IPv4 20, TCP 20 and its timestamps 12: what each segment has beside its payload. An acknowledgement has nothing else. */
export const HEADER_BYTES = 66;

/** What a link has carried without the headers. */
export function payloadBytes({ bytes, packets }: LinkCounters): number {
  return Math.max(0, bytes - packets * HEADER_BYTES);
}
