/**
 * OTLP's JSON encoding (opentelemetry-proto 1.x, "JSON Protobuf Encoding"): field names in
 * lowerCamelCase, 64-bit integers as decimal strings, enums as integers.
 */
export type AnyValue =
  | { stringValue: string }
  | { boolValue: boolean }
  | { intValue: string }
  | { doubleValue: number };
export type KeyValue = { key: string; value: AnyValue };

export type LogRecord = {
  timeUnixNano: string;
  observedTimeUnixNano: string;
  severityNumber: number;
  severityText: string;
  eventName: string;
  body: AnyValue;
  attributes: KeyValue[];
};

export type HistogramPoint = {
  attributes: KeyValue[];
  startTimeUnixNano: string;
  timeUnixNano: string;
  count: string;
  sum: number;
  min: number;
  max: number;
  bucketCounts: string[];
  explicitBounds: readonly number[];
};

/** SeverityNumber of the logs data model. */
export const severities = { info: 9, warn: 13, error: 17 } as const;

/** AggregationTemporality: since the start, so that a request that was lost or came twice changes nothing. */
const cumulative = 2;

type Origin = { resource: KeyValue[]; version: string };

const scopeOf = ({ version }: Origin) => ({ name: 'whyslow', version });

/** ExportLogsServiceRequest. */
export const logsRequest = (origin: Origin, logRecords: readonly LogRecord[]) => ({
  resourceLogs: [
    {
      resource: { attributes: origin.resource },
      scopeLogs: [{ scope: scopeOf(origin), logRecords }],
    },
  ],
});

/** ExportMetricsServiceRequest of one histogram. */
export const metricsRequest = (
  origin: Origin,
  metric: { name: string; description: string; unit: string; points: readonly HistogramPoint[] },
) => {
  const { points: dataPoints, ...described } = metric;
  const histogram = { aggregationTemporality: cumulative, dataPoints };
  return {
    resourceMetrics: [
      {
        resource: { attributes: origin.resource },
        scopeMetrics: [{ scope: scopeOf(origin), metrics: [{ ...described, histogram }] }],
      },
    ],
  };
};

/** What is null or absent is left out: OTLP knows no null. */
export const attributesOf = (
  values: Record<string, string | number | boolean | null | undefined>,
): KeyValue[] =>
  Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValue(value) }],
  );

export const anyValue = (value: string | number | boolean): AnyValue => {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
};

/** Microseconds are exact in a number until the year 2255. */
export const unixNano = (epochMs: number): string => `${Math.round(epochMs * 1_000)}000`;
