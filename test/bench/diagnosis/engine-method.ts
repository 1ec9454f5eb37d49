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
  return {
    name,
    close: (observed) => {
      const { shared, own } = byDevice(observed.records);
      return [...engines].flatMap(([id, engine]) =>
        findingsOf(closeBin(engine, observed, [...shared, ...(own.get(id) ?? [])])),
      );
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

/** What edges say is there for a lone device, too. */
const byDevice = (records: readonly TelemetryRecord[]) => {
  const shared: TelemetryRecord[] = [];
  const own = new Map<string, TelemetryRecord[]>();
  for (const record of records) {
    if (!('deviceId' in record)) shared.push(record);
    else own.set(record.deviceId, [...(own.get(record.deviceId) ?? []), record]);
  }
  return { shared, own };
};
