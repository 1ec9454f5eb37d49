import { type Ledger, type Segment, segments } from '#contract/verdict.ts';
import { extraRounds, splitIntoLedger } from '../../ledger.ts';
import { roundMs } from '../../statistics.ts';
import { atMost } from '../../wording.ts';
import type { ApplicationView, Delta, DeviceView } from '../bin-view.ts';
import type { HttpReading } from '../reading.ts';
import type { Services } from './services-of-bin.ts';
import { pointOf, surroundingsOf } from './surroundings.ts';

/**
 * The bin's newest run, split by the round trips measured in the same bin, each part beside what
 * is usual for it. Parts + residual = total; a part that was not measured is null.
 */
export const ledgerOf = (
  device: DeviceView,
  app: ApplicationView,
  services: Services,
): Ledger | null => {
  const run = app.newestRun;
  if (run === null || run.totalMs === null) return null;
  const split = splitIntoLedger(pointOf(run), surroundingsOf(run, device, services));
  const how = split.how();
  const usual = usualParts(run, device, app, services);
  // Rounded first, so that what is shown adds up.
  const parts = segments.map((segment) => {
    const ms = rounded(split.parts[segment]);
    const baselineMs = rounded(usual[segment]);
    const addedMs =
      ms === null || baselineMs === null ? null : roundMs(Math.max(0, ms - baselineMs));
    return { segment, ms, baselineMs, addedMs, how: atMost(300, how[segment]) };
  });
  const totalMs = roundMs(split.totalMs);
  return {
    totalMs,
    baselineTotalMs: app.total?.ready ? roundMs(Math.max(0, app.total.normalMs)) : null,
    residualMs: roundMs(totalMs - parts.reduce((sum, part) => sum + (part.ms ?? 0), 0)),
    parts,
  };
};

const rounded = (ms: number | null): number | null => (ms === null ? null : roundMs(ms));

type Usual = Record<Segment, number | null>;

/** The same split of a run of the same kind in which everything is as usual for this hour. */
const usualParts = (
  run: HttpReading,
  device: DeviceView,
  app: ApplicationView,
  services: Services,
): Usual => {
  const trips = run.tlsMs === null ? 2 : 3;
  const rounds = extraRounds(run.bodyBytes);
  const lagMs = normalOf(device.lag);
  const cell = (part: 'in-edge' | 'dns' | 'tls' | 'server' | 'transfer') =>
    normalOf(services.cell(part, run)?.delta ?? null);
  const shared = {
    device: times(trips, lagMs),
    dns: cell('dns'),
    tls: run.tlsMs === null ? 0 : cell('tls'),
    server: cell('server'),
    transfer: cell('transfer'),
    page: null,
  };
  if (run.via === 'direct') {
    const roundTripMs = normalOf(app.directConnect);
    const gatewayMs = normalWithin(device.gateway, roundTripMs);
    return {
      ...shared,
      gateway: times(trips, gatewayMs),
      'client-edge':
        roundTripMs === null
          ? null
          : trips * (roundTripMs - (gatewayMs ?? 0)) + rounds * roundTripMs,
      'tunnel-queue': null,
      'in-edge': null,
      'edge-origin': null,
    };
  }
  const edgeLagMs = normalOf(services.edge(run.edgeId ?? '')?.lag ?? null) ?? 0;
  const measuredMs = normalOf(device.tunnel ?? device.runRoundTrip);
  const roundTripMs =
    measuredMs === null ? null : Math.max(0, measuredMs - (lagMs ?? 0) - edgeLagMs);
  const gatewayMs = normalWithin(device.gateway, roundTripMs);
  const inEdgeMs = cell('in-edge');
  const onwardMs = normalOf(services.onward(run)?.connect ?? null);
  return {
    ...shared,
    gateway: times(trips, gatewayMs),
    'client-edge': roundTripMs === null ? null : trips * (roundTripMs - (gatewayMs ?? 0)),
    'tunnel-queue': times(trips, normalOf(device.queue)),
    'in-edge': inEdgeMs === null ? null : inEdgeMs + trips * edgeLagMs,
    'edge-origin': times(trips + rounds, onwardMs),
  };
};

const normalOf = (delta: Delta | null): number | null =>
  delta === null || !delta.ready ? null : Math.max(0, delta.normalMs);

/** Never more than the round trip it is part of. */
const normalWithin = (gateway: Delta | null, roundTripMs: number | null): number | null => {
  const ms = normalOf(gateway);
  return ms === null || roundTripMs === null ? null : Math.min(ms, roundTripMs);
};

const times = (count: number, ms: number | null): number | null =>
  ms === null ? null : count * ms;
