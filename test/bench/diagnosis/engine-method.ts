import { createEngine } from '#collector/diagnose/fleet/engine.ts';
import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import type { Finding, Method, Observed } from './finding.ts';

type Options = NonNullable<Parameters<typeof createEngine>[0]['options']>;

/** The product's engine, driven as the collector drives it. */
export const createEngineMethod = (
  name: string,
  config: { binMs: number; facts: Facts; options?: Options },
): Method => {
  const engine = createEngine(config);
  return { name, close: (observed) => findingsOf(closeBin(engine, observed, observed.records)) };
};

/** Each of these devices with an engine of its own: nothing to compare with but its own past. */
export const createLoneMethod = (
  name: string,
  config: { binMs: number; facts: Facts; deviceIds: ReadonlySet<string> },
): Method => {
  const engines = new Map(
    [...config.deviceIds].map((id) => {
      const known = config.facts.devices[id];
      const facts = { ...config.facts, devices: known === undefined ? {} : { [id]: known } };
      return [id, createEngine({ binMs: config.binMs, facts })];
    }),
  );
  const edgeOf = new Map<string, string>();
  return {
    name,
    close: (observed) => {
      const { byEdge, own } = sortOut(observed.records);
      return [...engines].flatMap(([id, engine]) => {
        const mine = own.get(id) ?? [];
        edgeOf.set(id, edgeIn(mine) ?? edgeOf.get(id) ?? '');
        const fromEdge = byEdge.get(edgeOf.get(id) ?? '') ?? [];
        return findingsOf(closeBin(engine, observed, [...fromEdge, ...mine]));
      });
    },
  };
};

const closeBin = (
  engine: ReturnType<typeof createEngine>,
  { toMs }: Observed,
  records: readonly TelemetryRecord[],
): Verdict[] => {
  for (const record of records) {
    const reading = readingOf(record);
    if (reading !== undefined) engine.observe(reading);
  }
  return engine.advanceTo(toMs).at(-1)?.verdicts ?? [];
};

const findingsOf = (verdicts: readonly Verdict[]): Finding[] =>
  verdicts
    .filter(({ state }) => state !== 'ok')
    .map((verdict) => ({
      deviceId: verdict.deviceId,
      appId: verdict.appId,
      state: verdict.state === 'inconclusive' || verdict.segment === null ? 'unknown' : 'named',
      causes: verdict.causes ?? [],
      confidence: verdict.confidence,
      verdict,
    }));

/** A lone device's edge measures and tells as any other; of other edges it hears nothing. */
const sortOut = (records: readonly TelemetryRecord[]) => {
  const byEdge = new Map<string, TelemetryRecord[]>();
  const own = new Map<string, TelemetryRecord[]>();
  const put = (into: Map<string, TelemetryRecord[]>, key: string, record: TelemetryRecord) => {
    const known = into.get(key);
    if (known === undefined) into.set(key, [record]);
    else known.push(record);
  };
  for (const record of records) {
    if (record.kind === 'edge' || record.kind === 'onward') put(byEdge, record.edgeId, record);
    else if ('deviceId' in record) put(own, record.deviceId, record);
  }
  return { byEdge, own };
};

const edgeIn = (records: readonly TelemetryRecord[]): string | undefined =>
  records.flatMap((record) => (record.kind === 'tunnel' ? (record.edgeId ?? []) : [])).at(-1);
