import type { Result } from '#contract/result.ts';
import type { Verdict } from '#contract/verdict.ts';
import { anyValue, attributesOf, type LogRecord, severities, unixNano } from './otlp-json.ts';

/** OTel's attributes where it has them (`device.id`, `error.type`), ours below `whyslow.`; seconds, not milliseconds. */
export const resultRecord = (result: Result, observedMs: number): LogRecord => {
  const { failure } = result;
  const level = failure === null ? 'info' : 'warn';
  const outcome = failure === null ? 'ok' : failure.type;
  return {
    ...timesOf(result.startedAt, observedMs),
    ...severityOf(level),
    eventName: 'whyslow.result',
    body: anyValue(`${result.type} ${result.appId}/${result.probeId}: ${outcome}`),
    attributes: attributesOf({
      'whyslow.result.id': result.id,
      'device.id': result.deviceId,
      'whyslow.app': result.appId,
      'whyslow.probe': result.probeId,
      'whyslow.probe.type': result.type,
      'whyslow.via': result.via,
      'whyslow.edge': result.edgeId,
      'whyslow.run.duration': seconds(result.durationMs),
      'whyslow.run.available': result.availability === 1,
      'whyslow.distortion': result.distortion === 'none' ? null : result.distortion,
      'error.type': failure?.type,
      'error.message': failure?.message,
      'whyslow.failure.source': failure?.source,
    }),
  };
};

const levels = { ok: 'info', inconclusive: 'info', slow: 'warn', failing: 'error' } as const;

export const verdictRecord = (verdict: Verdict, observedMs: number): LogRecord => {
  const [cause] = verdict.causes ?? [];
  return {
    ...timesOf(verdict.at, observedMs),
    ...severityOf(levels[verdict.state]),
    eventName: 'whyslow.verdict',
    body: anyValue(verdict.sentence),
    attributes: attributesOf({
      'device.id': verdict.deviceId,
      'whyslow.app': verdict.appId,
      'whyslow.edge': verdict.edgeId,
      'whyslow.verdict.state': verdict.state,
      'whyslow.verdict.segment': verdict.segment,
      'whyslow.verdict.added': secondsOr(verdict.addedMs),
      'whyslow.verdict.total': secondsOr(verdict.totalMs),
      'whyslow.verdict.baseline': secondsOr(verdict.baselineMs),
      'whyslow.verdict.confidence': verdict.confidence,
      'whyslow.verdict.score': verdict.score,
      'whyslow.verdict.action': verdict.action,
      'whyslow.cause.family': cause?.family,
      'whyslow.cause.element': cause?.element.name,
      'whyslow.cause.device_count': cause?.deviceCount,
      'whyslow.incident.id': cause?.incidentId,
    }),
  };
};

const timesOf = (atMs: number, observedMs: number) => ({
  timeUnixNano: unixNano(atMs),
  observedTimeUnixNano: unixNano(observedMs),
});

const severityOf = (level: keyof typeof severities) => ({
  severityNumber: severities[level],
  severityText: level.toUpperCase(),
});

const seconds = (ms: number): number => ms / 1_000;
const secondsOr = (ms: number | null): number | null => (ms === null ? null : seconds(ms));
