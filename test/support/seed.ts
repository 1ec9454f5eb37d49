import { randomUUID } from 'node:crypto';
import * as tables from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import { toPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import { hopsOf, type Leg, pageLoadOf, requestOf } from './seed-results.ts';
import { sharedIncidentOf, verdictOf } from './seed-verdicts.ts';

const minuteMs = 60_000;

/** How one application does on one device: what the seed writes follows from it. */
export type Story = 'fine' | 'server-slow' | 'path-slow' | 'blocked' | 'hostile';

export const seedApplications = [
  { id: 'mail', name: 'Mail', host: 'mail.example', story: 'fine' },
  { id: 'sales', name: 'Sales tool', host: 'sales.example', story: 'server-slow' },
  { id: 'files', name: 'File share', host: 'files.example', story: 'path-slow' },
  { id: 'video', name: 'Video portal', host: 'video.example', story: 'blocked' },
  {
    id: 'odd',
    name: `<img src=x onerror=alert(1)> "O'Hara" & sons`,
    host: 'odd.example',
    story: 'hostile',
  },
] as const satisfies readonly { id: string; name: string; host: string; story: Story }[];

export const seedEdges = [
  { id: 'fra-1', location: 'Frankfurt', host: '198.51.100.10', port: 8443 },
  { id: 'ams-1', location: 'Amsterdam', host: '198.51.100.20', port: 8443 },
] as const;

export const seedDevices = [
  { id: '00000000-0000-4000-8000-000000000001', name: 'anna-laptop', edge: 'fra-1', link: 'wifi' },
  { id: '00000000-0000-4000-8000-000000000002', name: 'ben-desktop', edge: 'fra-1', link: 'wired' },
  { id: '00000000-0000-4000-8000-000000000003', name: 'chloe-laptop', edge: 'ams-1', link: 'wifi' },
  {
    id: '00000000-0000-4000-8000-000000000004',
    name: `"><script>alert('pc')</script>`,
    edge: 'ams-1',
    link: 'wifi',
  },
] as const satisfies readonly { id: string; name: string; edge: string; link: string }[];

type Device = (typeof seedDevices)[number];
type Application = (typeof seedApplications)[number];

export type Seed = { store: Store; state: State; nowMs: number; everyMs?: number };

/**
 * An hour of an organisation: four devices on two edges, five applications of which one has a slow
 * server since twenty minutes, one a slow path behind the edge, and one is blocked by policy.
 */
export const seed = async ({ store, state, nowMs, everyMs = 30_000 }: Seed): Promise<number> => {
  await seedState(state, nowMs);
  const records = recordsOf(nowMs, everyMs);
  const points = [...records.flatMap((record) => toPoints(record, nowMs)), ...verdictPoints(nowMs)];
  for (let from = 0; from < points.length; from += 5_000) {
    await store.write(points.slice(from, from + 5_000));
  }
  return points.length;
};

/** Only the slow ones have a change in the middle of the hour. */
export const changedAt = (nowMs: number): number => nowMs - 20 * minuteMs;

const seedState = async ({ db }: State, nowMs: number): Promise<void> => {
  await db.insert(tables.organisationVersions).values({
    version: 1,
    document: organisation,
    author: 'seed',
    appliedAt: nowMs - 86_400_000,
  });
  await db.insert(tables.devices).values(
    seedDevices.map(({ id, name }) => ({
      id,
      name,
      platform: 'linux x64',
      programVersion: '0.1.0',
      certificateSerial: id.slice(-12),
      certificateNotAfter: nowMs + 6 * 86_400_000,
      enrolledAt: nowMs - 86_400_000,
      lastSeenAt: nowMs - 8_000,
      revokedAt: null,
    })),
  );
  await db.insert(tables.edges).values(
    seedEdges.map((edge) => ({
      ...edge,
      programVersion: '0.1.0',
      certificateSerial: edge.id,
      certificateNotAfter: nowMs + 6 * 86_400_000,
      enrolledAt: nowMs - 86_400_000,
      lastSeenAt: nowMs - 5_000,
      revokedAt: null,
    })),
  );
  await seedVerdicts({ db } as State, nowMs);
  await db
    .insert(tables.sharedIncidents)
    .values([sharedRow('now', nowMs), sharedRow('over', nowMs)]);
};

const sharedRow = (which: 'now' | 'over', nowMs: number) => {
  const incident = sharedIncidentOf(which, nowMs);
  const { id, startedAt, seenAt, endedAt, deviceCount } = incident;
  const affected = seedDevices.slice(0, deviceCount).map((device, index) => ({
    deviceId: device.id,
    appId: which === 'now' ? 'sales' : 'files',
    addedMs: 978 - index * 10,
  }));
  const history = Array.from({ length: 20 }, (_, index) => ({
    atMs: seenAt - (19 - index) * minuteMs,
    ms: (incident.perRoundTripMs ?? 0) + sway(seenAt - index * minuteMs, 40),
    lossRatio: null,
    deviceCount,
  }));
  const row = { id, key: incident.element.id, live: endedAt === null, startedAt, seenAt, endedAt };
  return { ...row, incident, affected, history, toldTo: [] };
};

const seedVerdicts = async ({ db }: Pick<State, 'db'>, nowMs: number): Promise<void> => {
  const all = pairs().map(([device, application]) => verdictOf(device, application, nowMs));
  await db.insert(tables.verdicts).values(
    all.map((verdict) => ({
      deviceId: verdict.deviceId,
      appId: verdict.appId,
      at: verdict.at,
      state: verdict.state,
      verdict,
    })),
  );
  await db
    .insert(tables.incidents)
    .values([
      ...all.filter(isBad).map((verdict) => incidentOf(verdict, nowMs)),
      closedIncident(verdictOf(seedDevices[0], seedApplications[0], nowMs), nowMs),
    ]);
};

const isBad = ({ state }: Verdict): boolean => state === 'slow' || state === 'failing';

const incidentOf = (verdict: Verdict, nowMs: number) => ({
  id: randomUUID(),
  deviceId: verdict.deviceId,
  appId: verdict.appId,
  segment: verdict.segment,
  state: 'open' as const,
  firstSlowAt: changedAt(nowMs),
  openedAt: changedAt(nowMs) + minuteMs,
  closedAt: null,
  streak: 0,
  openingVerdict: verdict,
  latestVerdict: verdict,
  live: true,
});

const closedIncident = (verdict: Verdict, nowMs: number) => ({
  ...incidentOf(verdict, nowMs),
  segment: 'gateway',
  state: 'closed' as const,
  firstSlowAt: nowMs - 300 * minuteMs,
  openedAt: nowMs - 298 * minuteMs,
  closedAt: nowMs - 240 * minuteMs,
  live: false,
});

const organisation: Organisation = {
  version: 1,
  applications: [
    ...seedApplications.map(({ id, name, host }) => ({
      id,
      name,
      hosts: [host],
      probes: [{ type: 'http' as const, url: `https://${host}/` }],
    })),
    { id: 'new-app', name: 'Not yet measured', hosts: ['new.example'], probes: [] },
  ],
};

const pairs = (): [Device, Application][] =>
  seedDevices.flatMap((device) =>
    seedApplications.map((application): [Device, Application] => [device, application]),
  );

const recordsOf = (nowMs: number, everyMs: number): TelemetryRecord[] => {
  const records: TelemetryRecord[] = [];
  for (let at = nowMs - 60 * minuteMs; at < nowMs - 2_000; at += everyMs) {
    for (const [device, application] of pairs()) {
      for (const via of ['tunnel', 'direct'] as const)
        records.push(requestOf({ device, application, via, at, isSlow: at >= changedAt(nowMs) }));
    }
    for (const device of seedDevices) records.push(...samplesOf(device, at));
    for (const edge of seedEdges) records.push(edgeSample(edge.id, at));
  }
  for (let at = nowMs - 59 * minuteMs; at < nowMs; at += 5 * minuteMs) {
    for (const [device, application] of pairs()) {
      records.push(
        pageLoadOf({ device, application, via: 'tunnel', at, isSlow: at >= changedAt(nowMs) }),
      );
    }
    for (const device of seedDevices) records.push(...tracesOf(device, at));
    for (const edge of seedEdges) records.push(...onwardOf(edge.id, at));
  }
  return [...records, ...rareOf(nowMs)];
};

const sway = (at: number, widthMs: number): number => (((at / 1_000) * 7919) % 97) * (widthMs / 97);

const samplesOf = (device: Device, at: number): TelemetryRecord[] => [
  {
    kind: 'tunnel',
    id: randomUUID(),
    deviceId: device.id,
    edgeId: device.edge,
    at,
    state: 'up',
    controlRttMs: 17 + sway(at, 4),
    dataRttMs: 18 + sway(at, 5),
    queueMs: 0.6 + sway(at, 1),
    handshakeMs: 41,
    underlayRttMs: 16 + sway(at, 3),
    sessionCount: 2,
    streamCount: 6,
    upBytes: 20_000,
    downBytes: 400_000,
    reconnectCount: 0,
    pingLostCount: 0,
    pingSentCount: 6,
  },
  {
    kind: 'device',
    id: randomUUID(),
    deviceId: device.id,
    at,
    cpuRatio: 0.12 + sway(at, 100) / 1_000,
    memoryUsedRatio: 0.61,
    load1: 0.8,
    eventLoopDelayMs: 1.2,
    receivedBytes: 410_000,
    sentBytes: 22_000,
    link: {
      name: device.link === 'wifi' ? 'wlp3s0' : 'enp2s0',
      type: device.link,
      speedMbps: device.link === 'wifi' ? 433 : 1_000,
    },
    gateway: { address: '192.0.2.1', rttMs: 2.1 + sway(at, 3), lossRatio: 0 },
    agentCpuRatio: 0.01,
    agentMemoryBytes: 92_000_000,
    spoolBytes: 5_120,
  },
];

const edgeSample = (edgeId: string, at: number): TelemetryRecord => ({
  kind: 'edge',
  id: randomUUID(),
  edgeId,
  at,
  cpuRatio: 0.21,
  memoryBytes: 140_000_000,
  eventLoopDelayMs: 0.9,
  sessionCount: 4,
  streamCount: 12,
  deviceCount: 2,
  upBytes: 40_000,
  downBytes: 800_000,
  flowCount: 20,
  refusedCount: 2,
  dialFailedCount: 0,
  queueMs: 0.2,
  dnsMs: 3.4,
  connectMs: 11.8,
});

const legToEdge: Leg = {
  hops: [
    ['192.0.2.1', 2.4],
    ['203.0.113.1', 9.1],
    [null, null],
    ['203.0.113.9', 15.2],
  ],
  endMs: 16.4,
};
const legOnward: Leg = {
  hops: [
    ['198.51.100.1', 0.6],
    [null, null],
    [null, null],
    ['203.0.113.77', 9.9],
  ],
  endMs: 11.2,
};
const legOnwardSlow: Leg = {
  hops: [
    ['198.51.100.1', 0.7],
    ['203.0.113.65', 3.2],
    ['203.0.113.71', 141.6],
    [null, null],
  ],
  endMs: 148.3,
};

const tracesOf = (device: Device, at: number): TelemetryRecord[] => {
  const edge = seedEdges.find(({ id }) => id === device.edge) ?? seedEdges[0];
  const trace = (appId: string, probeId: string, target: string, leg: Leg): TelemetryRecord => ({
    kind: 'result',
    type: 'path',
    id: randomUUID(),
    deviceId: device.id,
    appId,
    probeId,
    via: 'direct',
    edgeId: device.edge,
    startedAt: at,
    durationMs: 900,
    availability: 1,
    failure: null,
    self: { eventLoopDelayMs: 1, cpuStealRatio: 0, clockJumpMs: 0 },
    distortion: 'none',
    body: { ...hopsOf(leg, target), protocol: 'icmp', method: 'raw' },
  });
  return [
    trace('whyslow-edge', `edge-path-${edge.id}`, edge.host, legToEdge),
    trace('files', 'files-path', 'files.example', {
      hops: [...legToEdge.hops, ['203.0.113.80', 24.4]],
      endMs: 27.1,
    }),
  ];
};

const onwardOf = (edgeId: string, at: number): TelemetryRecord[] =>
  seedApplications.map(({ id, host, story }) => {
    const leg = story === 'path-slow' ? legOnwardSlow : legOnward;
    const mayTrace = edgeId === 'fra-1';
    return {
      kind: 'onward',
      id: randomUUID(),
      edgeId,
      appId: id,
      at,
      dnsMs: 3.1,
      connectMs: leg.endMs + 0.4,
      connectLossRatio: 0,
      path: mayTrace ? { ...hopsOf(leg, host), protocol: 'icmp', method: 'raw' } : null,
      pathMissing: mayTrace ? '' : 'this edge may not open raw sockets (CAP_NET_RAW)',
    };
  });

const rareOf = (nowMs: number): TelemetryRecord[] => {
  const device = seedDevices[0];
  const event = (minutesAgo: number, name: 'tunnel-up' | 'edge-chosen', reason: string) => ({
    kind: 'event' as const,
    id: randomUUID(),
    source: 'device' as const,
    sourceId: device.id,
    at: nowMs - minutesAgo * minuteMs,
    name,
    reason,
  });
  return [
    event(41, 'edge-chosen', 'fra-1 is 11 ms closer than ams-1 (3 of 3 measurements)'),
    event(40, 'tunnel-up', 'edge fra-1, handshake 41 ms'),
    {
      kind: 'missed',
      id: randomUUID(),
      deviceId: device.id,
      probeId: 'sales-http',
      reason: 'overrun',
      at: nowMs - 12 * minuteMs,
      count: 3,
    },
  ];
};

const verdictPoints = (nowMs: number): Point<'verdict'>[] =>
  pairs().flatMap(([device, application]) => {
    const verdict = verdictOf(device, application, nowMs);
    const times: number[] = [];
    for (let at = nowMs - 60 * minuteMs; at < verdict.at; at += minuteMs) times.push(at);
    return [...times, verdict.at].map((timeMs): Point<'verdict'> => {
      const isNow = timeMs >= changedAt(nowMs);
      return {
        measurement: 'verdict',
        timeMs,
        tags: { device: device.id, app: application.id },
        fields: {
          state: isNow ? verdict.state : 'ok',
          segment: isNow ? verdict.segment : null,
          added_ms: isNow ? verdict.addedMs : null,
          total_ms: verdict.totalMs,
          baseline_ms: verdict.baselineMs,
          confidence: verdict.confidence,
          score: verdict.score,
          sentence: verdict.sentence,
          ledger: null,
        },
      };
    });
  });
