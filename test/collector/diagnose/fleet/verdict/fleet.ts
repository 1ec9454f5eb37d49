import type { Accepted } from '#collector/diagnose/fleet/accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '#collector/diagnose/fleet/bin-view.ts';
import { markedApplication } from '#collector/diagnose/fleet/marked-ids.ts';
import type { Facts, HttpReading } from '#collector/diagnose/fleet/reading.ts';
import { createVerdicts } from '#collector/diagnose/fleet/verdict/create-verdicts.ts';
import { check, explain } from '#contract/check.ts';
import { SharedIncident, Verdict } from '#contract/verdict.ts';
import { applicationView, delta, sceneOf } from '#test/collector/diagnose/fleet/services/scene.ts';

export const binMs = 300_000;
/** 2026-11-23 09:00 UTC is the start of bin 0 here. */
const firstBin = Date.UTC(2026, 10, 23, 9) / binMs;
export const startOf = (bin: number): number => (firstBin + bin) * binMs;

export const deviceId = (index: number): string =>
  `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;

export const facts: Facts = {
  devices: { [deviceId(0)]: { name: 'LAPTOP-7' } },
  applications: { payroll: { name: 'Payroll' }, wiki: { name: 'Wiki' } },
  edges: { ams: { name: 'Amsterdam' } },
};

/** Devices by number, each with its applications; what is not said is normal, of tunnels not measured. */
export const viewOf = (
  bin: number,
  devices: readonly Partial<DeviceView>[],
  more: Partial<Parameters<typeof sceneOf>[0]> = {},
): BinView => ({
  ...sceneOf({
    ...more,
    devices: devices.map((device, index) => ({
      deviceId: deviceId(index),
      tunnel: null,
      ...device,
    })),
  }),
  fromMs: startOf(bin),
  toMs: startOf(bin + 1),
  bin: firstBin + bin,
});

/** An application whose requests take so much longer in this bin and the two before. */
export const slowApp = (
  addedMs: number,
  appId = 'payroll',
  more: Partial<ApplicationView> = {},
): ApplicationView =>
  applicationView(appId, {
    total: delta(addedMs, { nowMs: 150 + addedMs, normalMs: 150, scaleMs: 6 }),
    recentTotals: [addedMs, addedMs, addedMs],
    ...more,
  });

export const fineApp = (appId = 'payroll'): ApplicationView => slowApp(0, appId);

/** A stretch of leg 1 that costs these devices six crossings of 45 ms. */
export const stretch = (devices: readonly number[], more: Partial<Accepted> = {}): Accepted => {
  const element = {
    id: '10.0.1.1>10.0.3.1',
    name: 'between 10.0.1.1 and 10.0.3.1 (AS 64500)',
    from: '10.0.1.1',
    to: '10.0.3.1',
    asn: 64_500,
    silentHopCount: 1,
  };
  return {
    key: 'link:10.0.1.1>10.0.3.1:delay',
    family: 'link',
    kind: 'delay',
    segment: 'client-edge',
    element,
    scope: devices.length > 1 ? 'network' : 'device',
    addedMs: 45,
    lossRatio: null,
    gainNats: 40,
    marginNats: 20,
    runnerUp: null,
    observerCount: devices.length + 2,
    healthyCount: 2,
    pass: 'persistent',
    costMs: (index) => (devices.includes(index) ? 270 : 0),
    elementFor: () => element,
    evidenceFor: () => [
      {
        finding: 'against',
        text: 'Hop 10.0.3.1 answers 45 ms later than usual, and all behind it do.',
        value: 60,
        baseline: 15,
        unit: 'ms',
      },
    ],
    ...more,
  };
};

/** As `stretch`, but something else of which the bin's requests suffer. */
export const server = (devices: readonly number[], ms: number, appId = 'payroll'): Accepted =>
  stretch(devices, {
    key: `application:${appId}:delay`,
    family: 'application',
    segment: 'server',
    scope: 'application',
    addedMs: ms,
    element: {
      id: appId,
      name: `the server of ${markedApplication(appId)}`,
      from: null,
      to: null,
      asn: null,
      silentHopCount: 0,
    },
    costMs: (index, app) => (devices.includes(index) && app === appId ? ms : 0),
    elementFor: () => ({
      id: appId,
      name: `the server of ${markedApplication(appId)}`,
      from: null,
      to: null,
      asn: null,
      silentHopCount: 0,
    }),
  });

export const judges = (saved?: unknown, known: Facts = facts) => {
  const verdicts = createVerdicts({ binMs, facts: () => known }, saved);
  return {
    ...verdicts,
    /** As `judge`, and everything that comes out keeps the contract. */
    judge: (view: BinView, accepted: readonly Accepted[]) => {
      const said = verdicts.judge(view, accepted);
      for (const verdict of said.verdicts) keeps(Verdict, verdict);
      for (const incident of said.incidents) keeps(SharedIncident, incident);
      return said;
    },
  };
};

const keeps = (schema: Parameters<typeof check>[0], value: unknown): void => {
  const read = check(schema, value);
  if (!read.ok) throw new Error(explain(read.mistakes));
};

export const run = (more: Partial<HttpReading> = {}): HttpReading => ({
  kind: 'http',
  timeMs: startOf(0) + 60_000,
  deviceId: deviceId(0),
  appId: 'payroll',
  probeId: 'payroll-http',
  via: 'tunnel',
  edgeId: 'ams',
  ok: true,
  failureType: null,
  distorted: false,
  requested: false,
  lagMs: 0,
  totalMs: 425,
  dnsMs: null,
  dnsSource: null,
  connectMs: 0.2,
  proxyConnectMs: 130.8,
  tlsMs: 120,
  waitMs: 170,
  receiveMs: 4,
  bodyBytes: 6_000,
  edge: { queueMs: 1, dnsMs: 9.8, connectMs: 20, address: '192.0.2.7' },
  remoteAddress: null,
  ...more,
});
