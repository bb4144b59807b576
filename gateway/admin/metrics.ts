import { Gauge, Registry } from 'prom-client';

/** One number at the time of asking. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(): Iterable<Sample>;
}

/**
 * Metrics for Prometheus. Every number is read off the running parts when it is asked for: the per-stanza path counts
 * in plain integers and knows nothing of this.
 */
export function metricsRegistry(metrics: readonly Metric[]): Registry {
  const registry = new Registry();
  for (const { name, help, labels, read } of metrics) {
    const gauge = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect() {
        gauge.reset();
        for (const { labels: values, value } of read()) gauge.set({ ...values }, value);
      },
    });
  }
  return registry;
}
