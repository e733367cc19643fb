import type { GatewayObserver } from '@quarry/gateway';
import type { Logger } from '@quarry/runtime';
import type { Metrics } from '../metrics/metrics.ts';
import type { FetchLog } from '../piece-log/piece-log.ts';

/** The audit lines (`"audit": true` in the log: Glance no longer sees these reads) and the metrics of the façade. */
export function createGatewayObserver({
  metrics,
  logger,
  fetchLog,
}: {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly fetchLog?: FetchLog | undefined;
}): GatewayObserver {
  return {
    answered(route, status, durationMs) {
      metrics.count('quarry_gateway_requests_total', 1, { route, status: String(status) });
      metrics.observe('quarry_gateway_request_seconds', durationMs / 1000, { route });
    },
    served(entry) {
      logger.info('image served', { audit: true, ...entry });
      metrics.count('quarry_gateway_served_images_total', 1, { served: entry.served });
      for (const [source, bytes] of Object.entries(entry.bytesBySource))
        metrics.count('quarry_gateway_served_bytes_total', bytes, { source });
      if (entry.firstByteMs !== undefined)
        metrics.observe('quarry_gateway_first_byte_seconds', entry.firstByteMs / 1000, { served: entry.served });
      const { image, durationMs, served, reason, bytesBySource } = entry;
      fetchLog?.fetchEnded({ image, via: 'gateway', durationMs, isOk: served !== 'cut', reason, bytesBySource });
    },
    uploaded(entry) {
      logger.info('image uploaded', { audit: true, ...entry });
      metrics.count('quarry_gateway_uploads_total', 1, { seeded: entry.seeded, status: String(entry.status) });
      metrics.count('quarry_gateway_uploaded_bytes_total', entry.receivedBytes);
    },
  };
}
