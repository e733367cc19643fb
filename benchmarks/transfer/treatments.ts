import { configKeys } from '../../packages/daemon/src/config/settings.ts';
import type { NotRun } from '../bench.ts';
import type { Settings } from './quarry.ts';
import type { SeedOrder } from './seed-process.ts';

/** One way to run ours: settings of the daemons beyond their defaults, and what the row is called. */
export interface Treatment {
  readonly name: string;
  readonly settings: Settings;
}

/** Pieces over libp2p streams, as between peers that have one port or a relay. */
export const overLibp2p: Treatment = { name: 'quarry over libp2p streams', settings: { 'network.bulk': 'off' } };
/** Pieces over TCP without TLS: what TLS costs. */
export const overPlainTcp: Treatment = { name: 'quarry over plain TCP', settings: { 'network.bulk': 'plain' } };

/** Why a treatment cannot be run here: a setting that the daemon does not have would be no treatment at all. */
export function whyNot({ name, settings }: Treatment): NotRun | undefined {
  const unknown = Object.keys(settings).find((key) => !configKeys.some((known) => known === key));
  return unknown === undefined ? undefined : { name, why: `the daemon has no setting ${unknown}` };
}

/** How the sender keeps pieces; they travel as they are kept. */
export const encodings: readonly { readonly name: string; readonly encoding: SeedOrder['encoding'] }[] = [
  { name: 'quarry, plain pieces', encoding: 'off' },
  { name: 'quarry, zstd pieces', encoding: 'zstd' },
];
