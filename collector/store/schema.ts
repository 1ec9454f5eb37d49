import { rollupSeries } from './rollup-schema.ts';
import { connectionFields, run, runFields } from './run-schema.ts';

export type FieldKind = 'float' | 'integer' | 'flag' | 'string';

/**
 * Every measurement, tag, field and unit that is stored: the one place. Stored names are snake_case
 * and end in their unit. Durations are milliseconds; `flag` is 0 or 1 because booleans cannot be
 * averaged.
 *
 * `tags` with the time make a point what it is: few and bounded, everything unbounded is a field.
 * InfluxDB keeps a series for each combination of tags, so there only the tags that are no `labels`
 * are its tags: those of a device, or of an edge. Labels are stored beside the fields and told apart
 * by the time's nanoseconds (docs/decisions/016).
 */
export const series = {
  /** One HTTP run: phases of the last exchange; `edge_*` is what the edge said of the flow. */
  http: {
    ...run,
    fields: {
      ...runFields,
      url: 'string',
      status: 'integer',
      redirect_count: 'integer',
      /** Last exchange, sum of its phases. */
      duration_ms: 'float',
      dns_ms: 'float',
      connect_ms: 'float',
      proxy_connect_ms: 'float',
      tls_ms: 'float',
      wait_ms: 'float',
      receive_ms: 'float',
      body_bytes: 'integer',
      dns_source: 'string',
      remote_address: 'string',
      attempt_count: 'integer',
      edge_queue_ms: 'float',
      edge_dns_ms: 'float',
      edge_connect_ms: 'float',
      edge_waited_ms: 'float',
      edge_address: 'string',
      edge_flow_id: 'string',
      http_version: 'string',
      /** ipv4 or ipv6: of the connection, through the tunnel the edge's. */
      family: 'string',
      /** The second request on the same connection; in no other figure. */
      warm_wait_ms: 'float',
      warm_receive_ms: 'float',
      /** Until the first certificate of the chain expires. */
      certificate_days_left: 'float',
      certificate_issuer: 'string',
      /** Where the trust comes from: public, system, extra, unknown. */
      certificate_root: 'string',
      /** Of the handshake: TLSv1.3 takes one round trip, those before two. */
      tls_protocol: 'string',
      /** 1: the chain looks made by an inspecting proxy; `inspection` says by which sign. */
      inspected: 'flag',
      inspection: 'string',
      /** The same on the two runs, one each way, that are compared. */
      pair_id: 'string',
    },
  },
  path: {
    ...run,
    fields: {
      ...runFields,
      target: 'string',
      address: 'string',
      protocol: 'string',
      method: 'string',
      reached: 'flag',
      hop_count: 'integer',
      silent_hop_count: 'integer',
      /** Hops that answer less often than what is behind them. */
      limited_hop_count: 'integer',
      /** Hops with several addresses, where several flows were sent. */
      branched_hop_count: 'integer',
      first_hop_ms: 'float',
      rtt_min_ms: 'float',
      rtt_median_ms: 'float',
      jitter_ms: 'float',
      loss_ratio: 'float',
      route_hash: 'string',
      /** That of the run before, where it was another. */
      former_route_hash: 'string',
      flow_count: 'integer',
      mtu_bytes: 'integer',
      /** Larger packets vanish without a word. */
      mtu_black_hole: 'flag',
      /** JSON of contract Hop[]. */
      hops: 'string',
    },
  },
  page_load: {
    ...run,
    fields: {
      ...runFields,
      url: 'string',
      status: 'integer',
      ttfb_ms: 'float',
      fcp_ms: 'float',
      lcp_ms: 'float',
      cls: 'float',
      dom_content_loaded_ms: 'float',
      load_ms: 'float',
      total_blocking_ms: 'float',
      request_count: 'integer',
      transfer_bytes: 'integer',
      failed_request_count: 'integer',
      third_party_count: 'integer',
      console_error_count: 'integer',
      /** Phases of the document's own request; no milestones, and in none of them. */
      redirect_ms: 'float',
      dns_ms: 'float',
      connect_ms: 'float',
      tls_ms: 'float',
      wait_ms: 'float',
      receive_ms: 'float',
      long_task_count: 'integer',
      longest_task_ms: 'float',
      step_count: 'integer',
      /** Name of the step that failed. */
      failed_step: 'string',
      /** JSON of contract PageStepResult[], PageHost[] (the slowest) and PageProblem[]. */
      steps: 'string',
      hosts: 'string',
      problems: 'string',
      /** Host of the resource that took longest, and how long that one took. */
      slowest_host: 'string',
      slowest_host_ms: 'float',
      /** JSON of the 15 slowest contract PageResource. */
      resources: 'string',
    },
  },
  dns: {
    ...run,
    fields: {
      ...runFields,
      name: 'string',
      record_type: 'string',
      servers: 'string',
      duration_ms: 'float',
      answer_count: 'integer',
      answers: 'string',
      /** Of the first server asked, as all above; `setup_ms` is its connection, but for UDP. */
      transport: 'string',
      rcode: 'string',
      authenticated: 'flag',
      setup_ms: 'float',
      ttl_seconds: 'integer',
      attempt_count: 'integer',
      /** 1: all servers asked said the same; `differences` says what did not. */
      agree: 'flag',
      differences: 'string',
    },
  },
  tcp: { ...run, fields: { ...runFields, ...connectionFields } },
  tls: {
    ...run,
    fields: {
      ...runFields,
      ...connectionFields,
      tls_ms: 'float',
      protocol: 'string',
      cipher: 'string',
      alpn: 'string',
      certificate_subject: 'string',
      certificate_issuer: 'string',
      /** Of the first in the chain to expire. */
      certificate_days_left: 'float',
      name_matches: 'flag',
      trusted: 'flag',
      trust_root: 'string',
      /** 1: fewer days left than the probe's `warnDays`. */
      expires_soon: 'flag',
      /** JSON of the chain in contract ServerCertificate. */
      certificates: 'string',
    },
  },
  /** A stream like a call's to a reflector and back; `up` is from the device, `down` to it. */
  voice: {
    ...run,
    fields: {
      ...runFields,
      target: 'string',
      address: 'string',
      sent_count: 'integer',
      received_count: 'integer',
      duplicate_count: 'integer',
      reordered_count: 'integer',
      longest_loss_count: 'integer',
      loss_ratio: 'float',
      up_loss_ratio: 'float',
      down_loss_ratio: 'float',
      late_ratio: 'float',
      rtt_min_ms: 'float',
      rtt_median_ms: 'float',
      rtt_p95_ms: 'float',
      jitter_ms: 'float',
      up_jitter_ms: 'float',
      down_jitter_ms: 'float',
      playout_ms: 'float',
      send_late_p95_ms: 'float',
      rating: 'float',
      mos: 'float',
      up_mos: 'float',
      down_mos: 'float',
    },
  },
  tunnel: {
    tags: ['device', 'edge'],
    labels: ['edge'],
    fields: {
      state: 'string',
      up: 'flag',
      control_rtt_ms: 'float',
      data_rtt_ms: 'float',
      queue_ms: 'float',
      handshake_ms: 'float',
      underlay_rtt_ms: 'float',
      session_count: 'integer',
      stream_count: 'integer',
      up_bytes: 'integer',
      down_bytes: 'integer',
      reconnect_count: 'integer',
      ping_sent_count: 'integer',
      ping_lost_count: 'integer',
      better_edge: 'string',
      gain_ms: 'float',
      udp_loss_ratio: 'float',
      resets_left_count: 'integer',
      /** 1: what is measured outside the tunnel takes the tunnel's own way; null: not known. */
      same_flow: 'flag',
      /** Of the burst on suspicion it was taken in. */
      burst_id: 'string',
    },
  },
  device: {
    tags: ['device'],
    fields: {
      cpu_ratio: 'float',
      memory_used_ratio: 'float',
      load1: 'float',
      loop_delay_ms: 'float',
      received_bytes: 'integer',
      sent_bytes: 'integer',
      link_name: 'string',
      link_type: 'string',
      link_speed_mbps: 'integer',
      gateway_address: 'string',
      gateway_rtt_ms: 'float',
      gateway_loss_ratio: 'float',
      /** Of a Wi-Fi link. */
      signal_dbm: 'float',
      /** Keyed hash of the gateway's hardware address: the same for all devices of one network. */
      site_id: 'string',
      agent_cpu_ratio: 'float',
      agent_memory_bytes: 'integer',
      spool_bytes: 'integer',
      burst_id: 'string',
    },
  },
  edge: {
    tags: ['edge'],
    fields: {
      cpu_ratio: 'float',
      memory_bytes: 'integer',
      loop_delay_ms: 'float',
      session_count: 'integer',
      stream_count: 'integer',
      device_count: 'integer',
      up_bytes: 'integer',
      down_bytes: 'integer',
      flow_count: 'integer',
      refused_count: 'integer',
      dial_failed_count: 'integer',
      queue_ms: 'float',
      dns_ms: 'float',
      connect_ms: 'float',
      /** Flows of which there is no point in `flow`: too many began at once. */
      unrecorded_flow_count: 'integer',
      /** Of an edge of several processes: CPU and memory are sums, loop_delay_ms is the worst one's. */
      worker_count: 'integer',
      worker_cpu_max_ratio: 'float',
      worker_memory_max_bytes: 'integer',
      worker_loop_delay_mean_ms: 'float',
      /** Flows that devices broke off. */
      reset_count: 'integer',
      refused_by_policy_count: 'integer',
      refused_by_address_count: 'integer',
      refused_by_limit_count: 'integer',
      refused_request_count: 'integer',
      udp_flow_count: 'integer',
      clientless_session_count: 'integer',
    },
  },
  /** Medians over an application's flows through an edge, at the time of the edge's sample. */
  edge_app: {
    tags: ['edge', 'app'],
    fields: {
      flow_count: 'integer',
      dns_ms: 'float',
      connect_ms: 'float',
      first_byte_ms: 'float',
    },
  },
  /** One flow as its edge saw it, at the time it was asked for; the edge's clock. */
  flow: {
    tags: ['device', 'edge', 'app'],
    labels: ['edge', 'app'],
    fields: {
      flow_id: 'string',
      user: 'string',
      /** As the organisation's privacy switch lets it be told. */
      host: 'string',
      port: 'integer',
      protocol: 'string',
      up_bytes: 'integer',
      down_bytes: 'integer',
      queue_ms: 'float',
      dns_ms: 'float',
      connect_ms: 'float',
      first_byte_ms: 'float',
      duration_ms: 'float',
      action: 'string',
      rule: 'string',
      /** Proxy-Status error where it was not opened. */
      error: 'string',
    },
  },
  /** Leg 2: an edge's own measurement of an application. */
  onward: {
    tags: ['edge', 'app'],
    fields: {
      dns_ms: 'float',
      connect_ms: 'float',
      connect_loss_ratio: 'float',
      reached: 'flag',
      hop_count: 'integer',
      rtt_median_ms: 'float',
      loss_ratio: 'float',
      route_hash: 'string',
      hops: 'string',
      mtu_bytes: 'integer',
      /** Larger packets vanish without a word. */
      mtu_black_hole: 'flag',
      path_missing: 'string',
      burst_id: 'string',
    },
  },
  verdict: {
    tags: ['device', 'app'],
    labels: ['app'],
    fields: {
      state: 'string',
      segment: 'string',
      added_ms: 'float',
      total_ms: 'float',
      baseline_ms: 'float',
      confidence: 'float',
      score: 'integer',
      sentence: 'string',
      /** JSON of contract Ledger. */
      ledger: 'string',
    },
  },
  /** The ledger's lines, so that a dashboard can stack them. */
  leg: {
    tags: ['device', 'app', 'segment'],
    labels: ['app', 'segment'],
    fields: { ms: 'float', baseline_ms: 'float', added_ms: 'float' },
  },
  missed: {
    tags: ['device', 'probe', 'reason'],
    labels: ['probe', 'reason'],
    fields: { run_count: 'integer' },
  },
  event: {
    tags: ['source', 'source_id', 'name'],
    labels: ['source', 'name'],
    fields: { reason: 'string', event_id: 'string' },
  },
  ...rollupSeries,
} as const satisfies Record<
  string,
  { tags: readonly string[]; labels?: readonly string[]; fields: Record<string, FieldKind> }
>;

export type Measurement = keyof typeof series;
export type TagOf<M extends Measurement> = (typeof series)[M]['tags'][number];
/** Those that are no tags in InfluxDB, and those that are. */
export type LabelOf<M extends Measurement> = (typeof series)[M] extends {
  labels: readonly (infer L extends string)[];
}
  ? L
  : never;
export type SeriesTagOf<M extends Measurement> = Exclude<TagOf<M>, LabelOf<M>>;
export type FieldOf<M extends Measurement> = keyof (typeof series)[M]['fields'] & string;

type ValueOf<K> = K extends 'string' ? string : number;

/** The fields of one stored point; a value that was not measured is null. */
export type FieldsOf<M extends Measurement> = {
  [F in FieldOf<M>]: ValueOf<(typeof series)[M]['fields'][F]> | null;
};

/** One stored row. Tags are always all present; '' where there is none. Time is epoch ms. */
export type Point<M extends Measurement = Measurement> = {
  [K in M]: {
    measurement: K;
    timeMs: number;
    tags: Record<TagOf<K>, string>;
    fields: FieldsOf<K>;
  };
}[M];

export const measurements = Object.keys(series) as Measurement[];
