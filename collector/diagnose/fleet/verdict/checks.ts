import type { Evidence, Segment } from '#contract/verdict.ts';
import { sayMs, sayPercent } from '../../wording.ts';
import type { Delta, DeviceView } from '../bin-view.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { lateHops } from './late-hops.ts';

/** Above normal by less than this, or by fewer scales, is normal. */
const normal = { ms: 4, scales: 3 } as const;
/** A processor or memory this full is looked at by people first. */
const busy = { cpuRatio: 0.9, memoryRatio: 0.92 } as const;
/** Weaker than this people blame the Wi-Fi. */
const weakSignalDbm = -75;

/** What was looked at besides the blamed parts, the user's end first. */
export const checksOf = (
  pair: PairInView,
  { blamed, wayIsTold }: { blamed: ReadonlySet<Segment>; wayIsTold: boolean },
  scene: BinScene,
): Evidence[] => {
  const { device, app } = pair;
  const lines: Evidence[] = [];
  const look = (segment: Segment, name: string, delta: Delta | null): void => {
    if (delta?.ready && !blamed.has(segment)) lines.push(lineOf(segment, name, delta));
  };
  if (!wayIsTold) look('device', 'The agent’s event-loop delay', device.lag);
  lines.push(...busyLines(device, blamed));
  if (!wayIsTold) look('gateway', 'The gateway’s round trip', device.gateway);
  if (app.via === 'tunnel') {
    if (!wayIsTold) {
      look('client-edge', 'The round trip to the edge outside the tunnel', device.underlay);
      look('client-edge', 'The round trip to the edge in the tunnel', device.tunnel);
      look('tunnel-queue', 'Queueing in the tunnel', device.queue);
      lines.push(...lateHops(device.trace, 'client-edge'));
    }
    const where = { appId: app.appId, edgeId: app.edgeId, edge: { address: app.frontEnd } };
    const edge = app.edgeId === null ? undefined : scene.services.edge(app.edgeId);
    look('in-edge', 'The edge’s event-loop delay', edge?.lag ?? null);
    if (edge !== undefined) lines.push(...busyEdge(edge, blamed));
    const onward = scene.services.onward(where);
    look('edge-origin', 'The round trip from the edge to the application', onward?.connect ?? null);
    if (!wayIsTold) lines.push(...lateHops(onward?.trace ?? null, 'edge-origin'));
  } else {
    look('client-edge', 'The round trip to the application', app.directConnect);
    if (!wayIsTold) lines.push(...lateHops(app.directTrace, 'client-edge'));
  }
  for (const [part, segment, name] of parts) {
    const where = { appId: app.appId, edgeId: app.edgeId, edge: { address: app.frontEnd } };
    look(segment, name, scene.services.cell(part, where)?.delta ?? null);
  }
  look('page', 'Showing the page after its document', app.render);
  return lines;
};

const parts = [
  ['in-edge', 'in-edge', 'The wait inside the edge'],
  ['dns', 'dns', 'Name resolution'],
  ['tls', 'tls', 'The TLS handshake’s own time'],
  ['server', 'server', 'The server’s own time'],
  ['transfer', 'transfer', 'The transfer of the answer'],
] as const;

export const isNormal = (delta: Delta): boolean =>
  delta.fastMs < Math.max(normal.ms, normal.scales * delta.scaleMs);

const lineOf = (segment: Segment, name: string, delta: Delta): Evidence => ({
  finding: isNormal(delta) ? 'cleared' : 'context',
  segment,
  text: `${name}: ${sayMs(Math.max(0, delta.nowMs))}, normally ${sayMs(Math.max(0, delta.normalMs))}.`,
  value: delta.nowMs,
  baseline: delta.normalMs,
  unit: 'ms',
});

/** Full, but nothing runs late by it: no cause, and said, because people look there first. */
const busyLines = (device: DeviceView, blamed: ReadonlySet<Segment>): Evidence[] => {
  if (blamed.has('device')) return [];
  const onTime = device.lag === null || isNormal(device.lag);
  const lines: Evidence[] = [];
  const add = (text: string, value: number, unit: string, segment: Segment): void => {
    lines.push({ finding: 'cleared', segment, text, value, baseline: null, unit });
  };
  const { cpuRatio, memoryUsedRatio, signalDbm } = device;
  if (onTime && cpuRatio !== null && cpuRatio >= busy.cpuRatio) {
    add(
      `The processor is at ${sayPercent(cpuRatio)}, but programs run on time.`,
      cpuRatio,
      'ratio',
      'device',
    );
  }
  if (onTime && memoryUsedRatio !== null && memoryUsedRatio >= busy.memoryRatio) {
    add(
      `Memory is at ${sayPercent(memoryUsedRatio)}, but programs run on time.`,
      memoryUsedRatio,
      'ratio',
      'device',
    );
  }
  const local = device.gateway;
  if (signalDbm !== null && signalDbm <= weakSignalDbm && local?.ready && isNormal(local)) {
    add(
      `The Wi-Fi signal is weak (${signalDbm} dBm), but the gateway answers as usual.`,
      signalDbm,
      'dBm',
      'gateway',
    );
  }
  return lines;
};

const busyEdge = (
  { cpuRatio, lag }: { cpuRatio: number | null; lag: Delta | null },
  blamed: ReadonlySet<Segment>,
): Evidence[] => {
  if (cpuRatio === null || cpuRatio < busy.cpuRatio || blamed.has('in-edge')) return [];
  if (lag !== null && !isNormal(lag)) return [];
  return [
    {
      finding: 'cleared',
      segment: 'in-edge',
      text: `The edge’s processor is at ${sayPercent(cpuRatio)}, but its flows do not wait.`,
      value: cpuRatio,
      baseline: null,
      unit: 'ratio',
    },
  ];
};
