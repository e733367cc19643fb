import type { NetworkNeeds } from '../../src/network/network-plan.ts';

/** Bytes a second. */
export const MBIT: number = 1e6 / 8;

export interface SmallStorm {
  /** How many hosts each has. */
  readonly zones: readonly number[];
  readonly mbit: number;
  readonly originMbit: number;
  /** Infinity where absent. */
  readonly uplinkMbit?: number;
}

export function stormOf({ zones, mbit, originMbit, uplinkMbit = Infinity }: SmallStorm): NetworkNeeds {
  const link = { upBytesPerSecond: mbit * MBIT, downBytesPerSecond: mbit * MBIT };
  const uplink = { upBytesPerSecond: uplinkMbit * MBIT, downBytesPerSecond: uplinkMbit * MBIT };
  return {
    hosts: zones
      .flatMap((hosts, zone) => Array.from({ length: hosts }, () => zone))
      .map((zone, index) => ({ name: `host-${index}`, zone, ...link, diskWriteBytesPerSecond: Infinity })),
    zones: zones.map((_, zone) => ({ name: `zone-${zone}`, ...uplink })),
    origin: {
      bytesPerSecond: originMbit * MBIT,
      seeders: 1,
      isReadable: true,
      readDelayMs: 0,
      budgetBytesPerSecond: Infinity,
      budgetReads: 8,
    },
  };
}
