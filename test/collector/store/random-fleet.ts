import {
  compileDeviceConfig,
  compileEdgeConfig,
  type EdgePlace,
} from '#collector/control/compile-configs.ts';
import { createFold } from '#collector/rollup/fold.ts';
import { mergeRows } from '#collector/rollup/merge.ts';
import { rolledUpNames } from '#collector/rollup/tiers.ts';
import { toPoints, verdictPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { sampleRecords } from './sample-records.ts';
import { sampleVerdicts } from './sample-verdicts.ts';

export type RandomFleet = { organisation: Organisation; deviceCount: number; edgeIds: string[] };

/** A small fleet and what is declared for it: some of everything, and sometimes nothing. */
export const randomFleet = (random: () => number): RandomFleet => {
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const some = <T>(values: readonly T[]): T => values[upTo(values.length - 1)] as T;
  const applications = Array.from({ length: some([0, 1, 1, 2]) }, (_, n) => {
    const host = `app-${n}.test`;
    return {
      id: `app-${n}`,
      name: `Application ${n}`,
      hosts: random() < 0.7 ? [host] : [],
      probes: Array.from({ length: some([0, 1, 1, 2, 3]) }, () => some(probesOf)(host, some)),
    };
  });
  const organisation = {
    version: 1 as const,
    applications,
    ...(random() < 0.8 ? {} : { forwarding: { mode: some(['off', 'tunnel'] as const) } }),
    ...(random() < 0.7
      ? {}
      : { privacy: { flows: some(['off', 'domains', 'full'] as const), users: false } }),
  };
  const edgeIds = Array.from({ length: some([0, 1, 1, 2]) }, (_, n) => `edge-${n}`);
  return { organisation, deviceCount: some([0, 1, 1, 1, 1, 1, 2, 2, 3]), edgeIds };
};

type Spec = Organisation['applications'][number]['probes'][number];
type Some = <T>(values: readonly T[]) => T;

const probesOf: readonly ((host: string, some: Some) => Spec)[] = [
  (host, some) => ({
    type: 'http',
    url: `https://${host}/`,
    ...some([
      {},
      { via: 'both' },
      { via: 'direct' },
      { via: 'tunnel' },
      { family: 'both' },
    ] as const),
  }),
  (host, some) => ({ type: 'page-load', url: `https://${host}/`, via: some(['tunnel', 'direct']) }),
  (host) => ({ type: 'path', host }),
  (host) => ({ type: 'dns', name: host }),
  (host, some) => ({ type: 'tcp', host, port: 443, via: some(['both', 'direct', 'tunnel']) }),
  (host) => ({ type: 'tls', host }),
  (host, some) => ({ type: 'voice', ...some([{}, { host }]) }),
];

/**
 * All that such a fleet stores, by the configs that its devices and edges get: every device makes
 * every run, every run meets every edge and none, and the rest happens once.
 */
export const pointsOfFleet = ({ organisation, deviceCount, edgeIds }: RandomFleet): Point[] => {
  const edges = edgeIds.map(placeOf);
  const devices = Array.from({ length: deviceCount }, (_, n) => deviceId(n));
  const config = compileDeviceConfig({
    ...{ organisation, deviceId: deviceId(0), edges, captivePortalUrl: '', issuedAt: 0 },
  });
  const isOn = config.forwarding.mode === 'tunnel' && edgeIds.length > 0;
  const places = isOn ? [...edgeIds, null] : [null];
  const records = [
    ...devices.flatMap((device) => ofDevice(device, places)),
    ...pairs(devices, places).flatMap(([device, edge]) =>
      config.plan.probes.flatMap((probe) => ofProbe(probe, device, edge)),
    ),
    ...edgeIds.flatMap((edge) => ofEdge(edge, organisation, isOn ? devices : [])),
  ];
  const points = records.flatMap((record) => toPoints(record, at));
  const verdicts = devices.flatMap((device) => verdictsOf(device, config.plan.probes));
  return [...points, ...verdicts, ...rolledUpPoints(points)];
};

const at = 1_700_000_000_000;

const deviceId = (n: number): string =>
  `0b8e2c4e-51f5-4f4e-9a3f-${String(n + 1).padStart(12, '0')}`;

const placeOf = (id: string): EdgePlace => ({ id, host: `${id}.test`, port: 443, location: '' });

/** Each of both lists with some of the other. */
const pairs = <A, B>(as: readonly A[], bs: readonly B[]): [A, B][] =>
  as.length === 0 || bs.length === 0
    ? []
    : Array.from({ length: Math.max(as.length, bs.length) }, (_, n) => [
        as[n % as.length] as A,
        bs[n % bs.length] as B,
      ]);

/** A sample record with other ids in it. */
const record = (name: string, changes: Record<string, unknown>): TelemetryRecord => {
  const found = sampleRecords[name];
  if (found === undefined) throw new Error(`no sample record is called ${name}`);
  return { ...found, ...changes } as TelemetryRecord;
};

const ofDevice = (device: string, places: readonly (string | null)[]): TelemetryRecord[] => [
  record('device', { deviceId: device }),
  record('event', { source: 'device', sourceId: device }),
  ...places.map((edgeId) => record('tunnel', { deviceId: device, edgeId })),
];

/** Of each type the shortest, as 10,000 fleets are made of them. */
const sampleOf = Object.fromEntries(
  Object.entries(sampleRecords)
    .flatMap(([name, one]) =>
      one.kind === 'result' ? [{ name, type: one.type, length: JSON.stringify(one).length }] : [],
    )
    .sort((x, y) => y.length - x.length)
    .map(({ name, type }) => [type, name]),
);

const ofProbe = (
  probe: ProbeDefinition,
  device: string,
  edgeId: string | null,
): TelemetryRecord[] => [
  record(sampleOf[probe.type] ?? '', {
    ...{ deviceId: device, appId: probe.appId, probeId: probe.id, via: probe.via, edgeId },
  }),
  record('missed', { deviceId: device, probeId: probe.id }),
];

const ofEdge = (
  edgeId: string,
  organisation: Organisation,
  devices: readonly string[],
): TelemetryRecord[] => {
  const config = compileEdgeConfig({
    ...{ organisation, edgeId, revokedDevices: [], devices: [], issuedAt: 0 },
  });
  const isTold = config.privacy?.flows !== 'off';
  const apps = (config.applications ?? []).map(({ appId }) => appId);
  const reading = { flowCount: 3, dnsMs: 1, connectMs: 2, firstByteMs: 3 };
  const applications = devices.length === 0 ? [] : apps.map((appId) => ({ appId, ...reading }));
  return [
    record('edge', { edgeId, applications }),
    record('event', { source: 'edge', sourceId: edgeId }),
    ...config.onward.map(({ appId }) => record('onward', { edgeId, appId })),
    ...pairs(isTold ? devices : [], [...apps, null]).map(([device, appId]) =>
      record('flow that ended', { deviceId: device, edgeId, appId }),
    ),
  ];
};

/** Of each application that something can be said of; with a ledger where a request was split. */
const verdictsOf = (device: string, probes: readonly ProbeDefinition[]): Point[] => {
  const judged = probes.filter(({ type }) => type === 'http' || type === 'page-load');
  return judged.flatMap(({ appId, type }) => {
    const verdict = sampleVerdicts[type === 'http' ? 'slow' : 'not enough evidence'];
    return verdict === undefined ? [] : verdictPoints({ ...verdict, deviceId: device, appId });
  });
};

/** As the collector makes them of raw points. */
const rolledUpPoints = (points: readonly Point[]): Point[] => {
  const fine = rolledUpNames.flatMap((name) => {
    const fold = createFold(name, at);
    fold.add(
      points.filter((point) => point.measurement === name) as Parameters<typeof fold.add>[0],
    );
    return fold.points();
  });
  const http = fine.filter((point): point is Point<'http_5m'> => point.measurement === 'http_5m');
  return [...fine, ...mergeRows(http, { measurement: 'http_1h', timeMs: at })];
};
