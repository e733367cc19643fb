/**
 * Every metric there is: one table that makes the registry and docs/metrics.md, so that they cannot disagree. Prometheus units and names:
 * `_bytes`, `_seconds`, `_total` for what only grows.
 */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

const gauge = (help: string, ...labels: string[]): MetricSpec => ({ type: 'gauge', help, labels });
const counter = (help: string, ...labels: string[]): MetricSpec => ({ type: 'counter', help, labels });
const histogram = (help: string, ...labels: string[]): MetricSpec => ({ type: 'histogram', help, labels });

export type MetricName =
  | 'quarry_info'
  | 'quarry_resident_bytes'
  | 'quarry_store_present_bytes'
  | 'quarry_store_stored_bytes'
  | 'quarry_store_max_bytes'
  | 'quarry_store_packs'
  | 'quarry_store_pinned_packs'
  | 'quarry_store_evicted_bytes_total'
  | 'quarry_members'
  | 'quarry_peers'
  | 'quarry_banned_peers'
  | 'quarry_fetches_total'
  | 'quarry_fetch_seconds'
  | 'quarry_fetched_bytes_total'
  | 'quarry_duplicate_bytes_total'
  | 'quarry_bad_chunks_total'
  | 'quarry_sent_bytes_total'
  | 'quarry_sent_plain_bytes_total'
  | 'quarry_received_bytes_total'
  | 'quarry_received_plain_bytes_total'
  | 'quarry_transfer_memory_bytes'
  | 'quarry_rate_limit_bytes_per_second'
  | 'quarry_network_sent_bytes_total'
  | 'quarry_network_received_bytes_total'
  | 'quarry_bulk_connections'
  | 'quarry_bulk_fallbacks_total'
  | 'quarry_bulk_refused_connections_total'
  | 'quarry_cross_zone_sent_bytes_total'
  | 'quarry_cross_zone_received_bytes_total'
  | 'quarry_origin_budget_bytes_per_second'
  | 'quarry_origin_budget_reads'
  | 'quarry_origin_lease_bytes_per_second'
  | 'quarry_origin_lease_reads'
  | 'quarry_origin_leases_granted'
  | 'quarry_origin_budget_lent_ratio'
  | 'quarry_origin_budget_taken_bytes_total'
  | 'quarry_ingested_images_total'
  | 'quarry_ingested_bytes_total'
  | 'quarry_gateway_requests_total'
  | 'quarry_gateway_request_seconds'
  | 'quarry_gateway_served_images_total'
  | 'quarry_gateway_served_bytes_total'
  | 'quarry_gateway_first_byte_seconds'
  | 'quarry_gateway_uploads_total'
  | 'quarry_gateway_uploaded_bytes_total'
  | 'quarry_images_forgotten_total';

export const metricCatalogue: Readonly<Record<MetricName, MetricSpec>> = {
  quarry_info: gauge('Always 1; says what runs.', 'version', 'role', 'digest'),
  quarry_resident_bytes: gauge('Resident memory of the daemon.'),
  quarry_store_present_bytes: gauge('Plain bytes of the chunks in the store.'),
  quarry_store_stored_bytes: gauge('Bytes that these chunks take on disk, where some are compressed.'),
  quarry_store_max_bytes: gauge('The budget of the store: what quarry_store_stored_bytes may be.'),
  quarry_store_packs: gauge('Packs known to the store.'),
  quarry_store_pinned_packs: gauge('Packs that eviction may not touch.'),
  quarry_store_evicted_bytes_total: counter('Bytes evicted, as they were on disk.'),
  quarry_members: gauge('Members of the cluster that this node knows to be alive, without itself.'),
  quarry_peers: gauge('Peers connected now.'),
  quarry_banned_peers: gauge('Peers banned for good.'),
  quarry_fetches_total: counter('Images fetched, by how it ended.', 'result'),
  quarry_fetch_seconds: histogram('Time from asking for an image until it stood under its name.'),
  quarry_fetched_bytes_total: counter(
    'Plain bytes that fetches took, by where from: local, peer, seeder, origin.',
    'source',
  ),
  quarry_duplicate_bytes_total: counter('Plain bytes that arrived and were there already.'),
  quarry_bad_chunks_total: counter('Chunks received that did not have their digest.'),
  quarry_sent_bytes_total: counter(
    'Bytes of pieces given to other members as they were sent, by encoding: plain, zstd (frames). With the heads of answers.',
    'encoding',
  ),
  quarry_sent_plain_bytes_total: counter('What the whole pieces that were given to other members hold, decoded.'),
  quarry_received_bytes_total: counter(
    'Bytes of pieces that came from other members and were good, as they were sent, by encoding.',
    'encoding',
  ),
  quarry_received_plain_bytes_total: counter('What these pieces hold, decoded.'),
  quarry_transfer_memory_bytes: gauge(
    'Memory of pieces under way, by direction: sending, receiving (with reads from the origin). At most half of limits.memoryBytes each.',
    'direction',
  ),
  quarry_rate_limit_bytes_per_second: gauge(
    'What this node may send and receive, by direction; +Inf without a limit.',
    'direction',
  ),
  quarry_network_sent_bytes_total: counter(
    'Bytes of requests and answers as they travelled, by carrier: bulk (connections for pieces), libp2p. Without encryption and gossip.',
    'carrier',
  ),
  quarry_network_received_bytes_total: counter('The same, received.', 'carrier'),
  quarry_bulk_connections: gauge('Connections for pieces that are open now, in both directions.'),
  quarry_bulk_fallbacks_total: counter(
    'Requests for pieces that went over libp2p because no connection of their own was to be had.',
  ),
  quarry_bulk_refused_connections_total: counter('Connections to the bulk port that did not prove whose they are.'),
  quarry_cross_zone_sent_bytes_total: counter(
    'Bytes of pieces as they were sent to members of other zones; both must name one.',
  ),
  quarry_cross_zone_received_bytes_total: counter('The same, received from members of other zones.'),
  quarry_origin_budget_bytes_per_second: gauge(
    'What may leave the store for the whole cluster, as far as this node knows; +Inf without a limit.',
  ),
  quarry_origin_budget_reads: gauge(
    'Reads from the origin that the whole cluster may have under way; +Inf without a limit.',
  ),
  quarry_origin_lease_bytes_per_second: gauge(
    'What this node may take of it now: its lease; 0 without demand, +Inf without a limit.',
  ),
  quarry_origin_lease_reads: gauge('Reads that this node may have under way now.'),
  quarry_origin_leases_granted: gauge(
    'Leases that this node has granted and that are good now; 0 where another grants.',
  ),
  quarry_origin_budget_lent_ratio: gauge('Part of the budget that members have lent this node to grant from, 0 to 1.'),
  quarry_origin_budget_taken_bytes_total: counter(
    'Bytes that this node took within a limit: read from the origin, or sent by a seeder, as they were sent.',
  ),
  quarry_ingested_images_total: counter('Images ingested, by how it ended.', 'result'),
  quarry_ingested_bytes_total: counter('Bytes of images ingested.'),
  quarry_gateway_requests_total: counter(
    'Requests to the Glance API of this host, by route (show, file-get, file-put, delete, other) and status.',
    'route',
    'status',
  ),
  quarry_gateway_request_seconds: histogram('From a request to the end of its answer.', 'route'),
  quarry_gateway_served_images_total: counter(
    'Reads of images that Glance allowed, by how they were served: quarry (from chunks), passed (by Glance), cut (broken off).',
    'served',
  ),
  quarry_gateway_served_bytes_total: counter(
    'Bytes of images served, by where they came from: local, peer, seeder, origin.',
    'source',
  ),
  quarry_gateway_first_byte_seconds: histogram('From a request for an image to its first byte.', 'served'),
  quarry_gateway_uploads_total: counter(
    'Uploads, by whether the image was seeded here (seeded, not-seeded) and Glance’s status.',
    'seeded',
    'status',
  ),
  quarry_gateway_uploaded_bytes_total: counter('Bytes of uploads received.'),
  quarry_images_forgotten_total: counter(
    'Images forgotten, by why: deleted (a member said so), purged, expired, swept (Glance has it no more).',
    'why',
  ),
};

/** docs/metrics.md, whole. */
export function metricDocs(): string {
  const rows = Object.entries<MetricSpec>(metricCatalogue).map(
    ([name, { type, help, labels }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return `# Metrics

In Prometheus text form at \`/metrics\` of the control socket (\`quarry status --metrics\`) and, with \`control.metricsListen\`, over HTTP.
This page is made from the table that also makes them (\`packages/daemon/src/metrics/catalogue.ts\`). Where nothing else is said, bytes are plain
bytes, before encoding; metrics of what was sent or received say which they count.

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}
