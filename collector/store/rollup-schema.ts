/**
 * Roll-ups: what all devices measured in a stretch of time, one row a combination of tags, at the
 * stretch's start. Counts, sums and buckets of two rows add up, minima and maxima merge. Times are
 * those of runs that were planned, not distorted and say something (ok or failed by themselves).
 */

/**
 * Upper bounds of the latency buckets in ms, 13 a decade: two neighbours differ by a quarter at
 * most, or by 1 ms. With the numbers that promises are made of (100, 200, 250, 500, 2500, 4000).
 */
export const bucketBoundsMs = [
  1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 25, 30, 35, 40, 50, 60, 70, 85, 100, 120, 140, 170,
  200, 250, 300, 350, 400, 500, 600, 700, 850, 1_000, 1_200, 1_400, 1_700, 2_000, 2_500, 3_000,
  3_500, 4_000, 5_000, 6_000, 7_000, 8_500, 10_000, 12_000, 14_000, 17_000, 20_000, 25_000, 30_000,
  35_000, 40_000, 50_000, 60_000,
] as const;

export type BucketField = `le_${(typeof bucketBoundsMs)[number]}_ms_count`;

/** Cumulative, as Prometheus has it: how many took at most so long. */
export const bucketField = (boundMs: (typeof bucketBoundsMs)[number]): BucketField =>
  `le_${boundMs}_ms_count`;

type Buckets = { readonly [F in BucketField]: 'integer' };
const buckets = Object.fromEntries(
  bucketBoundsMs.map((boundMs) => [bucketField(boundMs), 'integer']),
) as Buckets;

/** Of a value in ms: how many there were, their sum, the least and the most. */
type Spread<N extends string> = { readonly [F in `${N}_count`]: 'integer' } & {
  readonly [F in `${N}_${'sum' | 'min' | 'max'}_ms`]: 'float';
};

const spreads = <const N extends string>(...names: readonly N[]): Spread<N> =>
  Object.fromEntries(
    names.flatMap((name) => [
      [`${name}_count`, 'integer'],
      ...['sum', 'min', 'max'].map((how) => [`${name}_${how}_ms`, 'float']),
    ]),
  ) as Spread<N>;

/** `run_count` is the sum of the five others but `device_count`. */
const runCounts = {
  run_count: 'integer',
  ok_count: 'integer',
  failed_count: 'integer',
  /** Kept out of all else: the device was too busy to measure. */
  distorted_count: 'integer',
  /** Failed by the agent's own doing: says nothing about the application. */
  inconclusive_count: 'integer',
  /** On demand or of a burst: not evenly spaced, so they would weigh too much. */
  beside_plan_count: 'integer',
  /** Devices with any run in 5 minutes; of a merged row the most in any 5 minutes, not the sum. */
  device_count: 'integer',
} as const;

const runTags = ['app', 'probe', 'via', 'edge'] as const;

const http = {
  tags: runTags,
  fields: {
    ...runCounts,
    ...spreads('duration', 'dns', 'connect', 'proxy_connect', 'tls', 'wait', 'receive'),
    ...spreads('edge_queue', 'edge_dns', 'edge_connect', 'edge_waited'),
    /** Of `duration_ms`. */
    ...buckets,
  },
} as const;

export const rollupSeries = {
  /** `http` in 5 minutes. */
  http_5m: http,
  /** Twelve rows of `http_5m` merged. */
  http_1h: http,
  /** `path` in 5 minutes, round trips to the end. */
  path_5m: {
    tags: runTags,
    fields: {
      ...runCounts,
      reached_count: 'integer',
      route_change_count: 'integer',
      black_hole_count: 'integer',
      ...spreads('rtt_median', 'jitter', 'first_hop'),
      /** Runs with a loss, the sum of their ratios, and the largest. */
      loss_count: 'integer',
      loss_sum_ratio: 'float',
      loss_max_ratio: 'float',
      /** Of `rtt_median_ms`. */
      ...buckets,
    },
  },
  /** `page_load` in 5 minutes. */
  page_load_5m: {
    tags: runTags,
    fields: {
      ...runCounts,
      ...spreads('ttfb', 'fcp', 'lcp', 'dom_content_loaded', 'load', 'total_blocking'),
      layout_shift_count: 'integer',
      layout_shift_sum_cls: 'float',
      layout_shift_max_cls: 'float',
      /** Of `lcp_ms`. */
      ...buckets,
    },
  },
  /** `tunnel` in 5 minutes: samples of the devices on an edge, those of bursts left out. */
  tunnel_5m: {
    tags: ['edge'],
    fields: {
      sample_count: 'integer',
      up_count: 'integer',
      beside_plan_count: 'integer',
      device_count: 'integer',
      ...spreads('control_rtt', 'data_rtt', 'queue', 'handshake', 'underlay_rtt'),
      up_sum_bytes: 'integer',
      down_sum_bytes: 'integer',
      reconnect_count: 'integer',
      ping_sent_count: 'integer',
      ping_lost_count: 'integer',
      /** Of `control_rtt_ms`. */
      ...buckets,
    },
  },
} as const;

export type Rollup = keyof typeof rollupSeries;

/** How a field of a roll-up goes together with that of another row, by its name. */
export const wayOf = (field: string): 'sum' | 'min' | 'max' => {
  if (field === 'device_count' || field.includes('_max_')) return 'max';
  return field.includes('_min_') ? 'min' : 'sum';
};
