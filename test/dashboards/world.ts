import { randomUUID } from 'node:crypto';
import type { Result } from '#contract/result.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { sampleRecords } from '#test/collector/store/sample-records.ts';
import { pageLoadOf, requestOf } from '#test/support/seed-results.ts';

const minuteMs = 60_000;
const slowSinceMinutes = 8;

export const worldApplications = ['sales', 'video'] as const;

type World = { deviceId: string; edgeId: string; nowMs: number };

/**
 * An hour of one device as it would ship it: two applications of which `sales` has a server that
 * became slow, and each of which failed three times before; samples, paths, page loads, changes.
 */
export const hourOfDevice = ({ deviceId, edgeId, nowMs }: World): TelemetryRecord[] =>
  minutes(nowMs).flatMap(({ at, ago }) => [
    ...worldApplications.flatMap((appId) => runsOf({ deviceId, edgeId, appId, at, ago })),
    // Of no burst: roll-ups leave those out.
    ...['tunnel', 'device'].map((kind) =>
      sample(kind, { deviceId, edgeId, at, burstId: undefined }),
    ),
    ...(ago % 5 === 0 ? [pathOf(deviceId, edgeId, at)] : []),
    ...(ago === 59 ? [sample('event', { sourceId: deviceId, at })] : []),
  ]);

/** The same hour of an edge: its load and its own way to the applications. */
export const hourOfEdge = ({ edgeId, nowMs }: Omit<World, 'deviceId'>): TelemetryRecord[] =>
  minutes(nowMs).flatMap(({ at }) => [
    sample('edge', { edgeId, at }),
    ...worldApplications.map((appId) => sample('onward', { edgeId, appId, at })),
  ]);

const minutes = (nowMs: number) =>
  Array.from({ length: 60 }, (_, index) => ({
    ago: 60 - index,
    at: nowMs - (60 - index) * minuteMs + 30_000,
  }));

const runsOf = (run: {
  deviceId: string;
  edgeId: string;
  appId: string;
  at: number;
  ago: number;
}): Result[] => {
  const { deviceId, edgeId, appId, at, ago } = run;
  const failed = ago >= 40 && ago < 43;
  const slow = appId === 'sales' && ago <= slowSinceMinutes;
  const shared = {
    device: { id: deviceId, edge: edgeId },
    application: { id: appId, host: `${appId}.test`, story: failed ? 'blocked' : 'server-slow' },
    at,
    isSlow: failed || slow,
  };
  return [
    requestOf({ ...shared, via: 'tunnel' }),
    requestOf({ ...shared, via: 'direct' }),
    ...(ago % 5 === 0 ? [pageLoadOf({ ...shared, via: 'tunnel' })] : []),
  ];
};

const pathOf = (deviceId: string, edgeId: string, at: number): TelemetryRecord => {
  const path = named('path') as Result;
  return { ...path, id: randomUUID(), deviceId, edgeId, appId: 'sales', startedAt: at };
};

const sample = (name: string, changes: Record<string, unknown>): TelemetryRecord => {
  const record = named(name);
  const own = Object.entries(changes).filter(([key]) => key in record);
  return { ...record, ...Object.fromEntries(own), id: randomUUID() } as TelemetryRecord;
};

const named = (name: string): TelemetryRecord => {
  const record = sampleRecords[name];
  if (!record) throw new Error(`no sample record is called ${name}`);
  return record;
};
