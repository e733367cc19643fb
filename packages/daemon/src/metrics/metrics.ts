import type * as PromClient from 'prom-client';
import { metricCatalogue } from './catalogue.ts';
import type { MetricName, MetricSpec } from './catalogue.ts';

export type Labels = Readonly<Record<string, string>>;

/** The registry behind the catalogue; prom-client does the arithmetic and the text. */
export interface Metrics {
  /** Adds to a counter. */
  count(name: MetricName, amount: number, labels?: Labels): void;
  /** Sets a gauge; or a counter that is counted elsewhere, to its total so far. */
  set(name: MetricName, value: number, labels?: Labels): void;
  /** One value of a histogram. */
  observe(name: MetricName, value: number, labels?: Labels): void;
  text(): Promise<string>;
}

/** From a question that Glance answers at once, and a warm image on a fast disk, to an hour over a slow link. */
const SECONDS_BUCKETS = [0.01, 0.03, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];

/**
 * prom-client comes when something is counted or asked for, and not with an idle node: it brings OpenTelemetry's interface and Node's cluster
 * module with it. What is counted meanwhile is applied in order when it is there.
 */
export function createMetrics(): Metrics {
  let loading: Promise<Metrics> | undefined;
  let loaded: Metrics | undefined;
  const use = (work: (metrics: Metrics) => void): void => {
    if (loaded) return work(loaded);
    // by its default export: that of a CommonJS module is all a bundle keeps
    loading ??= import('prom-client').then(({ default: client }) => (loaded = createRegistry(client)));
    void loading.then(work);
  };
  return {
    count: (name, amount, labels) => use((metrics) => metrics.count(name, amount, labels)),
    set: (name, value, labels) => use((metrics) => metrics.set(name, value, labels)),
    observe: (name, value, labels) => use((metrics) => metrics.observe(name, value, labels)),
    text: () => new Promise((resolve, reject) => use((metrics) => void metrics.text().then(resolve, reject))),
  };
}

type Client = Pick<typeof PromClient, 'Counter' | 'Gauge' | 'Histogram' | 'Registry'>;

function createRegistry({ Counter, Gauge, Histogram, Registry }: Client): Metrics {
  const registry = new Registry();
  const made = new Map<string, PromClient.Counter | PromClient.Gauge | PromClient.Histogram>();
  for (const [name, spec] of Object.entries<MetricSpec>(metricCatalogue)) {
    const options = { name, help: spec.help, labelNames: [...spec.labels], registers: [registry] };
    if (spec.type === 'counter') made.set(name, new Counter(options));
    else if (spec.type === 'gauge') made.set(name, new Gauge(options));
    else made.set(name, new Histogram({ ...options, buckets: SECONDS_BUCKETS }));
  }
  return {
    count(name, amount, labels = {}) {
      const metric = made.get(name);
      if (metric instanceof Counter && amount > 0) metric.inc({ ...labels }, amount);
    },
    set(name, value, labels = {}) {
      const metric = made.get(name);
      if (metric instanceof Gauge) metric.set({ ...labels }, value);
      if (!(metric instanceof Counter)) return;
      metric.remove({ ...labels });
      metric.inc({ ...labels }, value);
    },
    observe(name, value, labels = {}) {
      const metric = made.get(name);
      if (metric instanceof Histogram) metric.observe({ ...labels }, value);
    },
    text: () => registry.metrics(),
  };
}
