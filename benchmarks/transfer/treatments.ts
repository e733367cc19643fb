import type { Settings } from './quarry.ts';

/** Bytes over libp2p streams, as between peers that have one port or a relay. */
export const libp2pOnly: Settings = {};

/** How pieces are stored and sent, by the name that stands in the results. */
export const encodings: Readonly<Record<string, Settings>> = { 'plain pieces': {} };
