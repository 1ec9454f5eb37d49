import { versions } from 'node:process';
import packageFile from '../../package.json' with { type: 'json' };
import { createRegistry } from './registry.ts';

/** From a millisecond to half a minute, where a sender or a person has given up. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * Everything this collector counts about itself, in one place: the list in docs/operating.md is held
 * against it. What a part adds up is added where it happens; what engines know is read when asked for.
 */
export const createMetrics = () => {
  const registry = createRegistry();
  const { counter, gauge, histogram } = registry;
  registry.addProcess();
  gauge({
    name: 'build_info',
    help: 'Always 1; which whyslow runs, on which Node.',
    labels: ['version', 'node'],
  }).set({ version: packageFile.version, node: versions.node }, 1);
  return {
    registry,
    http: {
      seconds: histogram({
        name: 'http_request_duration_seconds',
        help: 'From a request’s head to the end of its answer.',
        labels: ['listener', 'method', 'route', 'status'],
        buckets,
      }),
      problems: counter({
        name: 'http_problems_total',
        help: 'Requests answered with a problem (RFC 9457), by its name.',
        labels: ['listener', 'problem'],
      }),
    },
    ingest: {
      batches: counter({
        name: 'ingest_batches_total',
        help: 'Batches acknowledged; duplicate: stored before.',
        labels: ['role', 'outcome'],
      }),
      records: counter({
        name: 'ingest_records_total',
        help: 'Records stored, by their kind; those of duplicate batches are not counted again.',
        labels: ['kind'],
      }),
      refused: counter({
        name: 'ingest_records_refused_total',
        help: 'Records of otherwise good batches that were refused.',
        labels: ['role'],
      }),
      bytes: counter({
        name: 'ingest_received_bytes_total',
        help: 'Bodies of batches as they travelled (compressed).',
      }),
      places: gauge({
        name: 'ingest_places_taken',
        help: 'Batches on their way in, from the head of the request to its answer.',
      }),
      turns: gauge({
        name: 'ingest_turns',
        help: 'Batches worked on, and those that wait for it.',
        labels: ['state'],
      }),
      seconds: histogram({
        name: 'ingest_duration_seconds',
        help: 'Work on one batch: check, store, enqueue; without waiting for its turn.',
        buckets,
      }),
    },
    store: {
      seconds: histogram({
        name: 'store_duration_seconds',
        help: 'Calls of the series store that succeeded, with their wait for a turn.',
        labels: ['engine', 'operation'],
        buckets,
      }),
      errors: counter({
        name: 'store_errors_total',
        help: 'Calls of the series store that failed. unavailable: the engine was away.',
        labels: ['engine', 'operation', 'reason'],
      }),
      points: counter({
        name: 'store_points_total',
        help: 'Points handed to the series store and kept.',
        labels: ['engine'],
      }),
    },
    jobs: {
      seconds: histogram({
        name: 'job_duration_seconds',
        help: 'Runs of jobs in this collector.',
        labels: ['queue', 'outcome'],
        buckets,
      }),
    },
    verdicts: counter({
      name: 'verdicts_total',
      help: 'Verdicts made by this collector.',
      labels: ['state'],
    }),
    webhooks: counter({
      name: 'webhook_attempts_total',
      help: 'Attempts to deliver a message. failed: tried again later.',
      labels: ['outcome'],
    }),
    export: {
      records: counter({
        name: 'export_records_total',
        help: 'Log records and data points that the OTLP receiver took.',
        labels: ['signal'],
      }),
      dropped: counter({
        name: 'export_dropped_total',
        help: 'What it never got. full: the queue; refused, rejected: by the receiver; stopped: at the end.',
        labels: ['signal', 'reason'],
      }),
      requests: counter({
        name: 'export_requests_total',
        help: 'Requests to the OTLP receiver; later: it is to be tried again.',
        labels: ['signal', 'outcome'],
      }),
      watchWaiting: (read: () => number): void =>
        registry.gaugeOf(
          {
            name: 'export_records_waiting',
            help: 'Log records not yet taken by the OTLP receiver.',
          },
          () => [{ labels: {}, value: read() }],
        ),
    },
    census: {
      jobs: gauge({
        name: 'jobs',
        help: 'Jobs in the queue, of all collectors on it.',
        labels: ['queue', 'state'],
      }),
      incidents: gauge({ name: 'incidents_open', help: 'Open incidents of single devices.' }),
      shared: gauge({ name: 'shared_incidents_live', help: 'Shared incidents under way.' }),
      deliveries: gauge({ name: 'webhooks_waiting', help: 'Messages not delivered yet.' }),
      bin: gauge({
        name: 'fleet_bin_age_seconds',
        help: 'Since the end of the newest closed bin, of the shard that is furthest behind.',
      }),
      up: gauge({
        name: 'engine_up',
        help: '1 where the engine answered the last question of this page.',
        labels: ['engine'],
      }),
    },
  };
};

export type Metrics = ReturnType<typeof createMetrics>;
export type ExportMetrics = Metrics['export'];
