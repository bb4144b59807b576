import { Counter, Gauge, Registry } from 'prom-client';

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
    // What only grows is a counter to Prometheus, and its name ends so.
    const Instrument = name.endsWith('_total') ? Counter : Gauge;
    const instrument = new Instrument({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect() {
        instrument.reset();
        for (const { labels: values, value } of read()) instrument.inc({ ...values }, value);
      },
    });
  }
  return registry;
}
