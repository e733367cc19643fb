import type { PackStore } from '@quarry/content';
import type { Logger } from '@quarry/runtime';
import type { Metrics } from '../metrics/metrics.ts';

/** Evicts until the store is within its budget; says so where it cannot. */
export async function stayWithinBudget(
  { store, metrics, logger }: { readonly store: PackStore; readonly metrics: Metrics; readonly logger: Logger },
  maxBytes: number,
): Promise<void> {
  if (store.usage().storedBytes <= maxBytes) return;
  const report = await store.evict(maxBytes);
  metrics.count('quarry_store_evicted_bytes_total', report.evictedBytes);
  if (report.keptBytes > maxBytes) {
    logger.warn('the store is over its budget and nothing more can be evicted', {
      keptBytes: report.keptBytes,
      maxBytes,
      heldBytes: report.heldBytes,
    });
  }
}
