import { check, explain } from '#contract/check.ts';
import { type LedgerPart, type Segment, SharedIncident, Verdict } from '#contract/verdict.ts';

type Subject = { id: string; name: string };
type Told = { id: string; name: string; story: string };

/** Usual times of a request through the tunnel, by segment; null: not measured. */
const usual: Partial<Record<Segment, number | null>> = {
  gateway: 7.2,
  'client-edge': 51,
  'tunnel-queue': null,
  'in-edge': 0.2,
  'edge-origin': 36,
  dns: 3.1,
  tls: 4.2,
  server: 56,
  transfer: 11,
};

/** A verdict that is valid by the contract, as each story would have it. */
export const verdictOf = (
  device: Subject & { edge: string },
  application: Told,
  nowMs: number,
): Verdict => {
  const verdict = { ...base(device, application, nowMs), ...told(device, application, nowMs) };
  const checked = check(Verdict, verdict);
  if (!checked.ok) throw new Error(`the seed's verdict is not valid: ${explain(checked.mistakes)}`);
  return checked.value;
};

const base = (device: Subject & { edge: string }, application: Told, nowMs: number): Verdict => ({
  version: 1,
  deviceId: device.id,
  appId: application.id,
  edgeId: device.edge,
  at: nowMs - 14_000,
  state: 'ok',
  segment: null,
  addedMs: null,
  totalMs: 171,
  baselineMs: 169,
  baselineFrom: 'own-past',
  confidence: 0.94,
  score: 97,
  sentence: `${application.name} is fine on ${device.name}: it answers in 171 ms; 169 ms is normal (its own last 80 runs).`,
  action: 'Nothing to do.',
  evidence: [
    {
      finding: 'cleared',
      segment: 'gateway',
      text: 'The gateway answers as fast as usual.',
      value: 2.4,
      baseline: 2.2,
      unit: 'ms',
    },
  ],
  ledger: ledgerOf({}, 3.3),
  resultCount: 120,
});

/** The shared incidents of the seed: one goes on, one is over. */
export const seedIncidentIds = {
  now: '00000000-0000-4000-8000-0000000000a1',
  over: '00000000-0000-4000-8000-0000000000a2',
} as const;

const plainElement = { from: null, to: null, asn: null, silentHopCount: 0 };

/** A server that hits four devices, and a link that did; its name is not ours. */
export const sharedIncidentOf = (
  which: keyof typeof seedIncidentIds,
  nowMs: number,
): SharedIncident => {
  const incident: SharedIncident = {
    kind: 'incident',
    version: 1,
    id: seedIncidentIds[which],
    family: 'application',
    causeKind: 'delay',
    segment: 'server',
    element: { ...plainElement, id: 'sales', name: 'the server of Sales tool' },
    scope: 'application',
    level: 'high',
    startedAt: nowMs - 1_200_000,
    seenAt: nowMs - 20_000,
    endedAt: null,
    perRoundTripMs: 978,
    lossRatio: null,
    deviceCount: 4,
    pairCount: 4,
    healthyDeviceCount: 0,
    impactMsMinutes: 78_000,
    confidence: 0.94,
    sentence:
      'The server of Sales tool takes 978 ms longer to answer since 20 minutes, for all 4 devices that use it.',
    evidence: [evidence('against', 'server', 'Both edges wait for it alike.', 1_034, 56)],
    ...(which === 'now'
      ? {}
      : {
          family: 'link' as const,
          segment: 'edge-origin' as const,
          element: {
            id: '203.0.113.70>203.0.113.71',
            name: `between 203.0.113.70 and 203.0.113.71 (<b>AS 64500</b>)`,
            from: '203.0.113.70',
            to: '203.0.113.71',
            asn: 64_500,
            silentHopCount: 1,
          },
          scope: 'network' as const,
          endedAt: nowMs - 3_600_000,
          seenAt: nowMs - 3_600_000,
          startedAt: nowMs - 7_200_000,
          perRoundTripMs: 40,
          deviceCount: 3,
          healthyDeviceCount: 1,
          sentence: `<script>alert('link')</script> Each round trip behind Frankfurt took 40 ms longer.`,
        }),
  };
  const checked = check(SharedIncident, incident);
  if (!checked.ok)
    throw new Error(`the seed's incident is not valid: ${explain(checked.mistakes)}`);
  return checked.value;
};

const told = (device: Subject, { name, story }: Told, nowMs: number): Partial<Verdict> => {
  switch (story) {
    case 'server-slow':
      return {
        state: 'slow',
        segment: 'server',
        addedMs: 978,
        totalMs: 1_152,
        baselineMs: 169,
        confidence: 0.93,
        score: 21,
        sentence: `${name} is slow on ${device.name} since 20 minutes: its server takes 1 034 ms to answer, 978 ms more than usual. The device, the local network, the path and the edge are as fast as ever.`,
        action:
          'Ask the application’s owner to look at the server: response time, load, database. Nothing to do on the device.',
        ledger: ledgerOf({ server: 1_034 }, 5),
        causes: [
          {
            family: 'application',
            kind: 'delay',
            segment: 'server',
            element: { ...plainElement, id: 'sales', name: `the server of ${name}` },
            scope: 'application',
            addedMs: 978,
            share: 0.99,
            perRoundTripMs: 978,
            lossRatio: null,
            deviceCount: 4,
            healthyDeviceCount: 0,
            startedAt: nowMs - 1_200_000,
            incidentId: seedIncidentIds.now,
          },
        ],
        evidence: [
          evidence('against', 'server', 'The server takes much longer to answer.', 1_034, 56),
          evidence('against', 'server', 'The other devices on two edges see the same.', null, null),
          evidence('cleared', 'gateway', 'The gateway answers as fast as usual.', 2.4, 2.2),
          evidence('cleared', 'client-edge', 'The way to the edge is as fast as usual.', 17.3, 17),
          evidence('cleared', 'edge-origin', 'The edge connects as fast as usual.', 11.9, 11.7),
          evidence('context', null, 'Direct runs beside the tunnel are slow as well.', 1_091, 132),
        ],
      };
    case 'path-slow':
      return {
        state: 'slow',
        segment: 'edge-origin',
        addedMs: 409,
        totalMs: 588,
        confidence: 0.81,
        score: 47,
        sentence: `${name} is slow on ${device.name}: the path from the edge to the application adds 409 ms, from hop 3 (203.0.113.71) on.`,
        action:
          'Report to the network provider of the edge: the trace of leg 2 names the hop. Until then a bypass sends this application direct.',
        ledger: ledgerOf({ 'edge-origin': 445, transfer: 21 }, -6),
        evidence: [
          evidence('against', 'edge-origin', 'One round trip takes far longer.', 148, 11.7),
          evidence('cleared', 'server', 'Without the path, the server is as fast as ever.', 56, 56),
        ],
      };
    case 'blocked':
      return {
        state: 'failing',
        segment: null,
        addedMs: null,
        totalMs: null,
        confidence: 0.99,
        score: 0,
        sentence: `${name} does not open on ${device.name}: the organisation’s policy blocks it (rule no-video).`,
        action: 'Ask the policy’s owner whether rule no-video should cover this destination.',
        ledger: null,
        evidence: [
          evidence('against', null, '40 of 40 runs were refused by the edge, by rule.', null, null),
        ],
      };
    case 'hostile':
      return {
        state: 'inconclusive',
        score: null,
        confidence: 0.2,
        sentence: `<script>alert('sentence')</script> ${name} is slower, but no part is clearly to blame.`,
        action: 'Wait for the next runs; the verdict follows by itself.</p><h1>x',
      };
    default:
      return {};
  }
};

const evidence = (
  finding: 'against' | 'cleared' | 'context',
  segment: Segment | null,
  text: string,
  value: number | null,
  baseline: number | null,
): Verdict['evidence'][number] => ({
  finding,
  segment,
  text,
  value,
  baseline,
  unit: value === null ? '' : 'ms',
});

const ledgerOf = (
  changed: Partial<Record<Segment, number>>,
  residualMs: number,
): NonNullable<Verdict['ledger']> => {
  const parts = (Object.entries(usual) as [Segment, number | null][]).map(
    ([segment, baselineMs]): LedgerPart => {
      const ms = baselineMs === null ? null : (changed[segment] ?? baselineMs);
      return {
        segment,
        ms,
        baselineMs,
        addedMs: ms === null || baselineMs === null ? null : Math.max(0, ms - baselineMs),
        how: ms === null ? 'no data session was open to compare with' : how[segment],
      };
    },
  );
  const partsMs = parts.reduce((sum, { ms }) => sum + (ms ?? 0), 0);
  return { totalMs: partsMs + residualMs, baselineTotalMs: 169, residualMs, parts };
};

const how: Record<Segment, string> = {
  device: 'run time less the phases',
  gateway: '3 round trips of 2.4 ms (ICMP echo to the gateway)',
  'client-edge': '3 of 17.1 ms (control session’s round trip without the gateway’s)',
  'tunnel-queue': 'data session’s round trip less the control session’s',
  'in-edge': 'the edge’s Server-Timing: queue',
  'edge-origin': '3 round trips of the edge’s TCP handshake',
  dns: 'the edge’s Server-Timing: dns',
  tls: 'TLS handshake less one round trip',
  server: 'waiting for the first byte less one round trip',
  transfer: 'first byte to last byte',
  page: 'page load less its document',
};
