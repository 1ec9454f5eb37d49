const failureFields = {
  failure_source: 'string',
  failure_phase: 'string',
  failure_message: 'string',
} as const;

export const runFields = {
  result_id: 'string',
  /** 1: the run met its success condition. */
  ok: 'flag',
  /** 1: kept out of score and baseline; `distortion` says why. */
  distorted: 'flag',
  distortion: 'string',
  /** The whole run. */
  run_ms: 'float',
  loop_delay_ms: 'float',
  /** The longest that the agent did not get to run, at once. */
  loop_delay_longest_ms: 'float',
  steal_ratio: 'float',
  clock_jump_ms: 'float',
  /** Planned time → real start; null for runs beside the plan. */
  lateness_ms: 'float',
  /** Id of the distorted result that it was made again for. */
  repeats: 'string',
  /** Of the request it was made for: such runs are not evenly spaced and stay out of baselines. */
  request_id: 'string',
  /** Of the burst on suspicion it belongs to: one a second, and likewise out of baselines. */
  burst_id: 'string',
  received_at_ms: 'integer',
  ...failureFields,
} as const;

/** The fields every result has, whatever its type. */
export type RunField = keyof typeof runFields;

/** A connection, whatever goes over it; `edge_*` is what the edge said of its own. */
export const connectionFields = {
  target: 'string',
  /** Sum of the phases. */
  duration_ms: 'float',
  dns_ms: 'float',
  connect_ms: 'float',
  proxy_connect_ms: 'float',
  dns_source: 'string',
  remote_address: 'string',
  attempt_count: 'integer',
  edge_queue_ms: 'float',
  edge_dns_ms: 'float',
  edge_connect_ms: 'float',
  /** Before that handshake, for addresses that did not answer. */
  edge_waited_ms: 'float',
  edge_address: 'string',
  /** Names the point of `flow` that the edge reported of it. */
  edge_flow_id: 'string',
} as const;

/** What tells the runs of all probes apart. */
export const run = {
  tags: ['device', 'app', 'probe', 'via', 'edge', 'failure_type'],
  labels: ['app', 'probe', 'via', 'edge', 'failure_type'],
} as const;
