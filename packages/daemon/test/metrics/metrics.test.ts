import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { metricCatalogue, metricDocs } from '../../src/metrics/catalogue.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';

describe('metrics', () => {
  test('are documented in docs/metrics.md as the catalogue says', () => {
    const page = readFileSync(new URL('../../../../docs/metrics.md', import.meta.url), 'utf8');
    expect(page.trimEnd()).toBe(metricDocs().trimEnd());
  });

  test('have the names that Prometheus wants: what only grows ends in _total, nothing else does', () => {
    for (const [name, spec] of Object.entries(metricCatalogue)) {
      expect(name).toMatch(/^quarry_[a-z_]+$/);
      expect(name.endsWith('_total'), name).toBe(spec.type === 'counter');
    }
  });

  test('count, set and observe what they are told', async () => {
    const metrics = createMetrics();
    metrics.count('quarry_fetched_bytes_total', 5, { source: 'peer' });
    metrics.count('quarry_fetched_bytes_total', 7, { source: 'peer' });
    metrics.set('quarry_sent_bytes_total', 100, { encoding: 'zstd' });
    metrics.set('quarry_sent_bytes_total', 120, { encoding: 'zstd' });
    metrics.set('quarry_peers', 3);
    metrics.observe('quarry_fetch_seconds', 1.5);
    const text = await metrics.text();
    expect(text).toContain('quarry_fetched_bytes_total{source="peer"} 12');
    expect(text).toContain('quarry_sent_bytes_total{encoding="zstd"} 120');
    expect(text).toContain('quarry_peers 3');
    expect(text).toContain('quarry_fetch_seconds_count 1');
  });
});
