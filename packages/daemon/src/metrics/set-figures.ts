import { digestBackend } from '@quarry/content';
import type { Encoding, SourceKind, StoreUsage } from '@quarry/content';
import type { LeavingView, NetworkView, OriginBudgetView } from '../daemon.ts';
import { version } from '../version.ts';
import type { Metrics } from './metrics.ts';

/** Limits, Infinity where there is none. */
export interface Rates {
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  readonly originBytesPerSecond: number;
  readonly originReads: number;
}

/** What the swarm counts. */
export interface SwarmFiguresView {
  readonly members: number;
  readonly peers: number;
  readonly bannedPeers: number;
  /** As sent: encoded, where pieces are. */
  readonly sentByEncoding: Readonly<Record<Encoding, number>>;
  readonly sentPlainBytes: number;
  readonly receivedByEncoding: Readonly<Record<Encoding, number>>;
  /** Plain. */
  readonly receivedBySource: Readonly<Record<SourceKind, number>>;
  readonly crossZoneSentBytes: number;
  readonly crossZoneReceivedBytes: number;
  readonly memory: Readonly<Record<'sending' | 'receiving', { readonly takenBytes: number }>>;
  readonly leaving: LeavingView | undefined;
  readonly originBudget: OriginBudgetView | undefined;
}

/** Sets what is counted elsewhere, as it is now. */
export function setFigures(
  metrics: Metrics,
  now: {
    readonly role: string;
    readonly usage: StoreUsage;
    readonly storeMaxBytes: number;
    readonly swarm: SwarmFiguresView;
    readonly rates: Rates;
    readonly network: NetworkView;
  },
): void {
  const { role, usage, storeMaxBytes, swarm, rates, network } = now;
  metrics.set('quarry_info', 1, { version, role: role, digest: digestBackend.kind });
  metrics.set('quarry_resident_bytes', process.memoryUsage.rss());
  metrics.set('quarry_store_present_bytes', usage.presentBytes);
  metrics.set('quarry_store_stored_bytes', usage.storedBytes);
  metrics.set('quarry_store_max_bytes', storeMaxBytes);
  metrics.set('quarry_store_packs', usage.packs);
  metrics.set('quarry_store_pinned_packs', usage.pinnedPacks);
  metrics.set('quarry_members', swarm.members);
  metrics.set('quarry_peers', swarm.peers);
  metrics.set('quarry_banned_peers', swarm.bannedPeers);
  for (const encoding of ['plain', 'zstd'] as const) {
    metrics.set('quarry_sent_bytes_total', swarm.sentByEncoding[encoding], { encoding });
    metrics.set('quarry_received_bytes_total', swarm.receivedByEncoding[encoding], { encoding });
  }
  metrics.set('quarry_sent_plain_bytes_total', swarm.sentPlainBytes);
  const { peer, seeder } = swarm.receivedBySource;
  metrics.set('quarry_received_plain_bytes_total', peer + seeder);
  for (const direction of ['sending', 'receiving'] as const)
    metrics.set('quarry_transfer_memory_bytes', swarm.memory[direction].takenBytes, { direction });
  const rateOf = { sending: rates.uploadBytesPerSecond, receiving: rates.downloadBytesPerSecond };
  for (const [direction, rate] of Object.entries(rateOf))
    metrics.set('quarry_rate_limit_bytes_per_second', rate, { direction });
  for (const carrier of ['bulk', 'libp2p'] as const) {
    metrics.set('quarry_network_sent_bytes_total', network[carrier].sentBytes, { carrier });
    metrics.set('quarry_network_received_bytes_total', network[carrier].receivedBytes, { carrier });
  }
  metrics.set('quarry_bulk_connections', network.bulkConnections);
  metrics.set('quarry_bulk_fallbacks_total', network.bulkFallbacks);
  metrics.set('quarry_bulk_refused_connections_total', network.bulkRefused);
  const { originBudget } = swarm;
  metrics.set('quarry_origin_budget_bytes_per_second', originBudget?.budget.bytesPerSecond ?? Infinity);
  metrics.set('quarry_origin_budget_reads', originBudget?.budget.reads ?? Infinity);
  metrics.set('quarry_origin_lease_bytes_per_second', originBudget?.allowance.bytesPerSecond ?? Infinity);
  metrics.set('quarry_origin_lease_reads', originBudget?.allowance.reads ?? Infinity);
  metrics.set('quarry_origin_leases_granted', originBudget?.granting.leases ?? 0);
  metrics.set('quarry_origin_budget_lent_ratio', originBudget?.granting.lentPart ?? 0);
  metrics.set('quarry_origin_budget_taken_bytes_total', originBudget?.takenBytes ?? 0);
  metrics.set('quarry_cross_zone_sent_bytes_total', swarm.crossZoneSentBytes);
  metrics.set('quarry_cross_zone_received_bytes_total', swarm.crossZoneReceivedBytes);
}
