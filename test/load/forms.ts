import { createHash, randomBytes } from 'node:crypto';
import type { DnsResult, HttpResult, PathResult, Result } from '#contract/result.ts';
import type { DeviceSample, TelemetryRecord, TunnelSample } from '#contract/telemetry.ts';
import { createWorld } from '#test/simulator/world.ts';

/**
 * Records of simulated devices as JSON text with gaps: making one is joining strings, so that the
 * fleet costs its machine little. They are records of the simulated world (test/simulator), in which
 * each device has its own applications, edge, network and times.
 */
export type Form = { pieces: readonly string[]; gaps: readonly Gap[] };
type Gap = 'id' | 'device' | 'at';

/** What one kind of device sends, each in the order in which it is sent over and over. */
export type Kit = { results: readonly Form[]; tunnel: readonly Form[]; device: readonly Form[] };

/** Kits of usual devices, and the same devices behind a slow access provider. */
export type Kits = {
  usual: readonly Kit[];
  slow: readonly Kit[];
  applications: { id: string; name: string }[];
  edgeIds: string[];
};

/** Ten results: what of each ten a device's probes give. */
const mix = [
  'http',
  'path',
  'http',
  'dns',
  'http',
  'page-load',
  'http',
  'path',
  'http',
  'http',
] as const;

const worldDevices = 24;
const worldBins = 20;
/** Added to each round trip behind the slow provider. */
const slowMs = 180;

/** Made once when the fleet starts; a function of the seed. */
export const makeKits = (seed: number): Kits => {
  const world = createWorld({
    ...{ seed, devices: worldDevices, binSeconds: 60, sampleSeconds: 60 },
    ...{ warmDays: 0, scoredDays: 1, faultsPerDay: 0, decoysPerDay: 0 },
    // A working day's morning: everybody is there.
    startMs: Date.UTC(2026, 2, 3, 10),
  });
  const byDevice = new Map<string, TelemetryRecord[]>();
  let bin = 0;
  for (const { records } of world.bins()) {
    for (const record of records) {
      if (!('deviceId' in record)) continue;
      const known = byDevice.get(record.deviceId);
      if (known) known.push(record);
      else byDevice.set(record.deviceId, [record]);
    }
    bin += 1;
    if (bin === worldBins) break;
  }
  const whole = [...byDevice.values()].filter(hasAll);
  if (whole.length === 0) throw new Error(`world ${seed} has no device that measures everything`);
  return {
    usual: whole.map((records) => kitOf(records)),
    slow: whole.map((records) => kitOf(records.map(behindSlowProvider))),
    applications: world.header.applications,
    edgeIds: world.header.edges.map(({ id }) => id),
  };
};

const hasAll = (records: readonly TelemetryRecord[]): boolean =>
  ['http', 'path', 'page-load', 'tunnel', 'device'].every((name) =>
    records.some((record) => nameOf(record) === name),
  );

const nameOf = (record: TelemetryRecord): string =>
  record.kind === 'result' ? record.type : record.kind;

const kitOf = (records: readonly TelemetryRecord[]): Kit => {
  const of = (name: string) => records.filter((record) => nameOf(record) === name);
  const http = of('http') as HttpResult[];
  const lists = {
    http,
    path: of('path'),
    'page-load': of('page-load'),
    dns: http.slice(0, 3).map(dnsBeside),
  };
  const results = Array.from({ length: 6 * mix.length }, (_, index) => {
    const name = mix[index % mix.length] ?? 'http';
    const list = lists[name];
    const before = Math.floor(index / mix.length) * mix.filter((one) => one === name).length;
    const within = mix.slice(0, index % mix.length).filter((one) => one === name).length;
    return formOf(list[(before + within) % list.length] as TelemetryRecord);
  });
  return {
    results,
    tunnel: of('tunnel').map(formOf),
    device: of('device').map((record) => formOf(withSiteId(record as DeviceSample))),
  };
};

/** The world's sites have names; what a device sends is a hash. */
const withSiteId = (sample: DeviceSample): DeviceSample => {
  const siteId = sample.gateway?.siteId;
  if (!sample.gateway || siteId === undefined) return sample;
  const hash = createHash('sha256').update(siteId).digest('base64url').slice(0, 22);
  return { ...sample, gateway: { ...sample.gateway, siteId: hash } };
};

/** The world asks no name servers of its own; this is a lookup beside a request. */
const dnsBeside = (beside: HttpResult): DnsResult => {
  const { type: _type, body, ...envelope } = beside;
  return {
    ...envelope,
    probeId: `${beside.appId}-dns`,
    via: 'direct',
    durationMs: 11.4,
    type: 'dns',
    body: {
      name: new URL(body.url).hostname,
      recordType: 'A',
      servers: ['192.168.0.1:53'],
      durationMs: 11.4,
      answers: ['198.19.36.2'],
      rcode: 'NOERROR',
      authenticated: false,
    },
  };
};

const behindSlowProvider = (record: TelemetryRecord): TelemetryRecord => {
  switch (record.kind) {
    case 'tunnel':
      return slowTunnel(record);
    case 'result':
      return slowResult(record);
    default:
      return record;
  }
};

const more = (ms: number | null, times = 1): number | null =>
  ms === null ? null : ms + slowMs * times;

const slowTunnel = (sample: TunnelSample): TunnelSample => ({
  ...sample,
  controlRttMs: more(sample.controlRttMs),
  dataRttMs: more(sample.dataRttMs),
  underlayRttMs: more(sample.underlayRttMs),
});

const slowResult = (result: Result): Result => {
  if (result.type === 'path') return slowPath(result);
  return result.type === 'http' ? slowRequest(result) : result;
};

const slowPath = (result: PathResult): PathResult => ({
  ...result,
  body: {
    ...result.body,
    rttMinMs: more(result.body.rttMinMs),
    rttMedianMs: more(result.body.rttMedianMs),
    hops: result.body.hops.map((hop) =>
      hop.ttl < 3
        ? hop
        : {
            ...hop,
            rttMinMs: more(hop.rttMinMs),
            rttMedianMs: more(hop.rttMedianMs),
            rttMaxMs: more(hop.rttMaxMs),
          },
    ),
  },
});

/** One round trip more in each of the phases that wait for one. */
const slowRequest = (result: HttpResult): HttpResult => {
  const waited = 3 * slowMs;
  return {
    ...result,
    durationMs: result.durationMs + waited,
    body: {
      ...result.body,
      exchanges: result.body.exchanges.map((exchange) => ({
        ...exchange,
        durationMs: exchange.durationMs + waited,
        phases: {
          ...exchange.phases,
          connectMs: more(exchange.phases.connectMs),
          proxyConnectMs: more(exchange.phases.proxyConnectMs),
          tlsMs: more(exchange.phases.tlsMs),
          waitMs: more(exchange.phases.waitMs),
        },
      })),
    },
  };
};

const formOf = (record: TelemetryRecord): Form => {
  // Another for each process, so that nothing in a record looks like it.
  const open = { ...record, id: marks.id, deviceId: marks.device } as Result | DeviceSample;
  const text = JSON.stringify({ ...open, [open.kind === 'result' ? 'startedAt' : 'at']: marks.at });
  const gaps: Gap[] = [];
  const pieces = text.split(anyMark).filter((piece) => {
    const gap = gapOf.get(piece);
    if (gap !== undefined) gaps.push(gap);
    return gap === undefined;
  });
  return { pieces, gaps };
};

const mark = () => randomBytes(12).toString('hex');
const marks = { id: mark(), device: mark(), at: mark() };
/** A time stands without the quotation marks that its placeholder has. */
const anyMark = new RegExp(`(${marks.id}|${marks.device}|"${marks.at}")`);
const gapOf = new Map<string, Gap>([
  [marks.id, 'id'],
  [marks.device, 'device'],
  [`"${marks.at}"`, 'at'],
]);

export const fill = (form: Form, values: { id: string; device: string; at: number }): string => {
  let text = form.pieces[0] ?? '';
  for (let gap = 0; gap < form.gaps.length; gap += 1) {
    text += `${values[form.gaps[gap] ?? 'id']}${form.pieces[gap + 1]}`;
  }
  return text;
};
