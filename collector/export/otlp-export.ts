import { randomUUID } from 'node:crypto';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import { backoffMs, sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import packageFile from '../../package.json' with { type: 'json' };
import type { ExportMetrics } from '../metrics/metrics.ts';
import { attributesOf, type LogRecord, logsRequest, metricsRequest } from './otlp-json.ts';
import { postOtlp, type Sent } from './post-otlp.ts';
import { resultRecord, verdictRecord } from './records.ts';
import { createRunHistograms } from './run-histograms.ts';

export type OtlpSettings = {
  url: string;
  headers?: Record<string, string>;
  what: readonly ('metrics' | 'results' | 'verdicts')[];
  intervalSeconds: number;
  /** Records that wait in memory; of more, the new ones are dropped and counted. */
  queueRecords: number;
};

const recordsInRequest = 500;
/** What waits at the end has this long. */
const lastChanceMs = 3_000;

/**
 * Hands on what this collector took in, and judged, to an OTLP/HTTP receiver. Nobody waits for it: a
 * record goes into a bounded queue or is dropped and counted.
 */
export const startOtlpExport = (parts: {
  settings: OtlpSettings;
  tenant: string | undefined;
  counted: ExportMetrics;
  now: () => number;
  log: Log;
}) => {
  const { settings, counted, now } = parts;
  const log = parts.log.child({ component: 'export' });
  const { version } = packageFile;
  const resource = attributesOf({
    'service.name': 'whyslow-collector',
    'service.version': version,
    'service.instance.id': randomUUID(),
    'whyslow.tenant': parts.tenant,
  });
  const origin = { resource, version };
  const wants = new Set(settings.what);
  const base = settings.url.replace(/\/$/, '');
  const histograms = createRunHistograms(now());
  const queue: LogRecord[] = [];
  const ending = new AbortController();
  const givingUp = new AbortController();
  let isFailing = false;

  const drop = (signal: 'logs' | 'metrics', reason: string, count: number): void => {
    if (count > 0) counted.dropped.add({ signal, reason }, count);
  };

  const put = (record: LogRecord): void => {
    if (queue.length >= settings.queueRecords) drop('logs', 'full', 1);
    else queue.push(record);
  };

  /** One line when it begins to fail, and one when it is over. */
  const tell = (sent: Sent, signal: string): void => {
    counted.requests.add({ signal, outcome: sent.outcome });
    if (sent.outcome === 'later' && !isFailing) {
      log.warn({ signal, reason: sent.message }, 'receiver does not take the export now');
    }
    if (sent.outcome === 'taken' && isFailing)
      log.info({ signal }, 'receiver takes the export again');
    isFailing = sent.outcome === 'later';
    if (sent.outcome === 'never') {
      log.error({ signal, reason: sent.message }, 'receiver refused an export for good: dropped');
    }
    if (sent.outcome === 'taken' && (sent.rejectedCount > 0 || sent.message !== '')) {
      const { rejectedCount, message } = sent;
      log.warn({ signal, rejectedCount, reason: message }, 'receiver took a part of an export');
    }
  };

  const post = async (signal: 'logs' | 'metrics', request: unknown): Promise<Sent> => {
    const to = { url: `${base}/v1/${signal}`, headers: settings.headers ?? {} };
    const sent = await postOtlp(to, request, givingUp.signal);
    tell(sent, signal);
    return sent;
  };

  /** Until it is taken or refused: at least once, and in order. */
  const sendRecords = async (records: readonly LogRecord[]): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      const sent = await post('logs', logsRequest(origin, records));
      if (sent.outcome === 'never') return drop('logs', 'refused', records.length);
      if (sent.outcome === 'taken') {
        counted.records.add({ signal: 'logs' }, records.length - sent.rejectedCount);
        return drop('logs', 'rejected', sent.rejectedCount);
      }
      if (givingUp.signal.aborted) return drop('logs', 'stopped', records.length);
      const waitMs = sent.retryAfterMs ?? backoffMs(attempt, { firstMs: 500, capMs: 30_000 });
      await sleep(waitMs, givingUp.signal);
    }
  };

  const drainQueue = async (): Promise<void> => {
    while (!ending.signal.aborted || queue.length > 0) {
      // Some wait for company: a request a record would cost more than the record.
      if (queue.length < recordsInRequest) await sleep(1_000, ending.signal);
      const records = queue.splice(0, recordsInRequest);
      if (records.length > 0) await sendRecords(records);
    }
  };

  /** Not tried again: the next one tells the same and more. */
  const sendMetrics = async (): Promise<void> => {
    const points = histograms.points(now());
    if (points.length === 0) return;
    const sent = await post('metrics', metricsRequest(origin, { ...runDuration, points }));
    if (sent.outcome === 'never') return drop('metrics', 'refused', points.length);
    if (sent.outcome === 'later') return;
    counted.records.add({ signal: 'metrics' }, points.length - sent.rejectedCount);
    drop('metrics', 'rejected', sent.rejectedCount);
  };

  const repeatMetrics = async (): Promise<void> => {
    while (wants.has('metrics') && !ending.signal.aborted) {
      await sleep(settings.intervalSeconds * 1_000, ending.signal);
      await sendMetrics();
    }
  };

  counted.watchWaiting(() => queue.length);
  const working = Promise.all([drainQueue(), repeatMetrics()]);
  return {
    stored(records: readonly TelemetryRecord[]): void {
      for (const record of records) {
        if (record.kind !== 'result') continue;
        if (wants.has('metrics')) histograms.add(record);
        if (wants.has('results')) put(resultRecord(record, now()));
      }
    },
    judged(verdict: Verdict): void {
      if (wants.has('verdicts')) put(verdictRecord(verdict, now()));
    },
    async stop(): Promise<void> {
      ending.abort();
      const timer = setTimeout(() => givingUp.abort(), lastChanceMs);
      await working;
      clearTimeout(timer);
    },
  };
};

const runDuration = {
  name: 'whyslow.run.duration',
  description: 'How long runs of probes took, from the device',
  unit: 's',
};
