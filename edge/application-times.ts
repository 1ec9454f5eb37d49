import type { EdgeTiming } from '#contract/body/connection.ts';
import type { EdgeSample } from '#contract/telemetry.ts';
import { median } from './median.ts';

type Values = { flowCount: number; dnsMs: number[]; connectMs: number[]; firstByteMs: number[] };

/** What one process of an edge saw, by application; as it goes from one process to another. */
export type ApplicationReading = Record<string, Values>;

/** Values kept of an application between two samples: enough for a median. */
const mostValues = 1_000;
const mostApplications = 512;

/** What the flows of each declared application took here since the last reading. */
export const createApplicationTimes = () => {
  let applications = new Map<string, Values>();

  const of = (appId: string): Values | undefined => {
    const known = applications.get(appId);
    if (known || applications.size >= mostApplications) return known;
    const made: Values = { flowCount: 0, dnsMs: [], connectMs: [], firstByteMs: [] };
    applications.set(appId, made);
    return made;
  };

  return {
    opened(appId: string, timing: EdgeTiming): void {
      const values = of(appId);
      if (values === undefined) return;
      values.flowCount += 1;
      keep(values.dnsMs, timing.dnsMs);
      keep(values.connectMs, timing.connectMs);
    },
    firstByte(appId: string, ms: number): void {
      const values = of(appId);
      if (values) keep(values.firstByteMs, ms);
    },
    take(): ApplicationReading {
      const reading = Object.fromEntries(applications);
      applications = new Map();
      return reading;
    },
  };
};

const keep = (values: number[], value: number | null): void => {
  if (value !== null && values.length < mostValues) values.push(value);
};

/** The medians over all processes, for the edge's sample. */
export const applicationsOf = (
  readings: readonly ApplicationReading[],
): NonNullable<EdgeSample['applications']> => {
  const ids = [...new Set(readings.flatMap((reading) => Object.keys(reading)))].sort();
  return ids.slice(0, mostApplications).map((appId) => {
    const all = readings.flatMap((reading) => reading[appId] ?? []);
    return {
      appId,
      flowCount: all.reduce((sum, { flowCount }) => sum + flowCount, 0),
      dnsMs: median(all.flatMap(({ dnsMs }) => dnsMs)),
      connectMs: median(all.flatMap(({ connectMs }) => connectMs)),
      firstByteMs: median(all.flatMap(({ firstByteMs }) => firstByteMs)),
    };
  });
};
