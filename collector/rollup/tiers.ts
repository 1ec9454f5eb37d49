import type { FieldOf } from '../store/schema.ts';

const minuteMs = 60_000;
export const binMs = 5 * minuteMs;
export const hourMs = 60 * minuteMs;

/** What a roll-up in 5 minutes is made of; each value as `<name>_count`, `_sum_ms`, `_min_ms`, `_max_ms`. */
export const rolledUp = {
  http: {
    into: 'http_5m',
    values: {
      duration: 'duration_ms',
      dns: 'dns_ms',
      connect: 'connect_ms',
      proxy_connect: 'proxy_connect_ms',
      tls: 'tls_ms',
      wait: 'wait_ms',
      receive: 'receive_ms',
      edge_queue: 'edge_queue_ms',
      edge_dns: 'edge_dns_ms',
      edge_connect: 'edge_connect_ms',
      edge_waited: 'edge_waited_ms',
    },
    bucketsOf: 'duration',
  },
  path: {
    into: 'path_5m',
    values: { rtt_median: 'rtt_median_ms', jitter: 'jitter_ms', first_hop: 'first_hop_ms' },
    bucketsOf: 'rtt_median',
  },
  page_load: {
    into: 'page_load_5m',
    values: {
      ttfb: 'ttfb_ms',
      fcp: 'fcp_ms',
      lcp: 'lcp_ms',
      dom_content_loaded: 'dom_content_loaded_ms',
      load: 'load_ms',
      total_blocking: 'total_blocking_ms',
    },
    bucketsOf: 'lcp',
  },
  tunnel: {
    into: 'tunnel_5m',
    values: {
      control_rtt: 'control_rtt_ms',
      data_rtt: 'data_rtt_ms',
      queue: 'queue_ms',
      handshake: 'handshake_ms',
      underlay_rtt: 'underlay_rtt_ms',
    },
    bucketsOf: 'control_rtt',
  },
} as const satisfies { [M in 'http' | 'path' | 'page_load' | 'tunnel']: Plan<M> };

type Plan<M extends 'http' | 'path' | 'page_load' | 'tunnel'> = {
  into: `${M}_5m`;
  values: Record<string, FieldOf<M>>;
  bucketsOf: string;
};

export type RolledUp = keyof typeof rolledUp;
export const rolledUpNames = Object.keys(rolledUp) as RolledUp[];

export const binsOfHour = hourMs / binMs;

const ofRuns = ['ok', 'distorted', 'request_id', 'burst_id', 'failure_source'] as const;
const alsoRead = {
  http: ofRuns,
  path: [...ofRuns, 'reached', 'former_route_hash', 'mtu_black_hole', 'loss_ratio'],
  page_load: [...ofRuns, 'cls'],
  tunnel: [
    'up',
    'up_bytes',
    'down_bytes',
    'reconnect_count',
    'ping_sent_count',
    'ping_lost_count',
    'burst_id',
  ],
} as const satisfies { [M in RolledUp]: readonly FieldOf<M>[] };

/** Of each raw point only what goes into its roll-up is read. */
export const fieldsRead = Object.fromEntries(
  rolledUpNames.map((name) => [name, [...Object.values(rolledUp[name].values), ...alsoRead[name]]]),
) as unknown as Record<RolledUp, readonly FieldOf<RolledUp>[]>;
