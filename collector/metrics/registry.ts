import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Gauges of prom-client that carry a counter's suffix: `promtool check metrics` refuses them. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

type Labels<L extends string> = Partial<Record<L, string>>;
type Described<L extends string> = { name: string; help: string; labels?: readonly L[] };

export type CounterOf<L extends string> = { add(labels: Labels<L>, by?: number): void };
export type GaugeOf<L extends string> = {
  set(labels: Labels<L>, value: number): void;
  /** Forgets every label set: what is not set again is not shown. */
  clear(): void;
};
export type HistogramOf<L extends string> = { observe(labels: Labels<L>, seconds: number): void };

/**
 * The only door to prom-client: a registry of one collector (tests run several in a process).
 * Base units, as Prometheus asks: seconds, bytes. Labels have few and known values, never an id.
 */
export const createRegistry = () => {
  const registry = new Registry();
  const registers = [registry];
  const options = ({ name, help, labels = [] }: Described<string>) => ({
    name: `whyslow_${name}`,
    help,
    labelNames: [...labels],
    registers,
  });
  return {
    contentType: registry.contentType,
    text: (): Promise<string> => registry.metrics(),
    /** CPU, memory, file descriptors, event-loop delay and garbage collection of this process. */
    addProcess(): void {
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
      for (const name of misnamed) registry.removeSingleMetric(name);
    },
    counter<L extends string = never>(described: Described<L>): CounterOf<L> {
      const counter = new Counter(options(described));
      return { add: (labels, by = 1) => counter.inc(labels as Record<string, string>, by) };
    },
    gauge<L extends string = never>(described: Described<L>): GaugeOf<L> {
      const gauge = new Gauge(options(described));
      return {
        set: (labels, value) => gauge.set(labels as Record<string, string>, value),
        clear: () => gauge.reset(),
      };
    },
    /** Read when asked for, so that it costs nothing in between. */
    gaugeOf<L extends string = never>(
      described: Described<L>,
      read: () => readonly { labels: Labels<L>; value: number }[],
    ): void {
      new Gauge({
        ...options(described),
        collect() {
          this.reset();
          for (const { labels, value } of read()) this.set(labels as Record<string, string>, value);
        },
      });
    },
    histogram<L extends string = never>(
      described: Described<L> & { buckets: readonly number[] },
    ): HistogramOf<L> {
      const histogram = new Histogram({ ...options(described), buckets: [...described.buckets] });
      return {
        observe: (labels, seconds) => histogram.observe(labels as Record<string, string>, seconds),
      };
    },
  };
};
