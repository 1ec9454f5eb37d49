import type { Hop } from '#contract/body/path.ts';
import { edgeApplicationId, tracedEdgeId } from '#contract/edge-path.ts';
import type { HttpResult, PageLoadResult, PathResult, Result } from '#contract/result.ts';
import type {
  DeviceSample,
  EdgeSample,
  OnwardSample,
  TelemetryRecord,
  TunnelSample,
} from '#contract/telemetry.ts';
import { failureTypeOf } from '../failing.ts';
import type { ReadHop, Reading } from './reading.ts';

/** What the engine takes of a record; undefined: nothing. */
export const readingOf = (record: TelemetryRecord): Reading | undefined => {
  switch (record.kind) {
    case 'result':
      return ofResult(record);
    case 'tunnel':
      return ofTunnel(record);
    case 'device':
      return ofDevice(record);
    case 'edge':
      return ofEdge(record);
    case 'onward':
      return ofOnward(record);
    case 'flow':
    case 'posture':
    case 'missed':
    case 'account':
    case 'run-report':
    case 'event':
      return undefined;
  }
};

export const readHops = (hops: readonly Hop[]): ReadHop[] =>
  hops.map((hop) => ({
    ttl: hop.ttl,
    address: hop.address,
    asn: hop.asn ?? null,
    sentCount: hop.sentCount,
    receivedCount: hop.receivedCount,
    rttMedianMs: hop.rttMedianMs,
    rttMinMs: hop.rttMinMs,
  }));

/** Probes sent to the target itself: as many as to any hop. */
export const sentTo = (hops: readonly { sentCount: number }[]): number =>
  hops.reduce((most, { sentCount }) => Math.max(most, sentCount), 0);

/** Who answered for the application: the last hop, where the trace came that far. */
export const targetAddress = (hops: readonly Hop[], reached: boolean): string | null =>
  reached ? (hops.at(-1)?.address ?? null) : null;

/** The edge a path leads to; null: it leads to an application. */
export const tracedEdge = (
  appId: string,
  probeId: string,
  edgeId: string | null,
): string | null => {
  if (appId !== edgeApplicationId) return null;
  return tracedEdgeId(probeId) ?? edgeId;
};

const ofResult = (result: Result): Reading | undefined => {
  switch (result.type) {
    case 'http':
      return ofHttp(result);
    case 'page-load':
      return ofPage(result);
    case 'path':
      return ofPath(result);
    case 'dns':
    case 'tcp':
    case 'tls':
    case 'voice':
      return undefined;
  }
};

const ofRun = (result: Result) => ({
  timeMs: Math.round(result.startedAt),
  deviceId: result.deviceId,
  appId: result.appId,
  probeId: result.probeId,
  via: result.via,
  edgeId: result.edgeId,
  ok: result.availability === 1,
  failureType: result.failure ? failureTypeOf(result.failure.type, result.failure.message) : null,
  distorted: result.distortion !== 'none',
  requested: (result.requestId ?? result.burstId ?? null) !== null,
  lagMs: result.self.eventLoopDelayMs,
});

const ofHttp = (result: HttpResult): Reading => {
  const last = result.body.exchanges.at(-1);
  const edge = last?.edge ?? null;
  return {
    kind: 'http',
    ...ofRun(result),
    totalMs: last?.durationMs ?? null,
    dnsMs: last?.phases.dnsMs ?? null,
    dnsSource: last?.dnsSource ?? null,
    connectMs: last?.phases.connectMs ?? null,
    proxyConnectMs: last?.phases.proxyConnectMs ?? null,
    tlsMs: last?.phases.tlsMs ?? null,
    waitMs: last?.phases.waitMs ?? null,
    receiveMs: last?.phases.receiveMs ?? null,
    bodyBytes: last?.bodyBytes ?? 0,
    edge:
      edge === null
        ? null
        : {
            queueMs: edge.queueMs,
            dnsMs: edge.dnsMs,
            connectMs: edge.connectMs,
            waitedMs: edge.waitedMs ?? null,
            address: edge.address,
          },
    remoteAddress: last?.remoteAddress ?? null,
    tlsProtocol: result.body.certificate?.protocol ?? null,
  };
};

const ofPage = (result: PageLoadResult): Reading => {
  const { body } = result;
  return {
    kind: 'page',
    ...ofRun(result),
    ttfbMs: body.ttfbMs,
    fcpMs: body.fcpMs,
    lcpMs: body.lcpMs,
    loadMs: body.loadMs,
    thirdParties: (body.hosts ?? [])
      .filter(({ isThirdParty }) => isThirdParty)
      .map(({ host, longestMs }) => ({ host, longestMs })),
    failedStep: body.steps?.find(({ outcome }) => outcome === 'failed')?.name ?? null,
  };
};

const ofPath = (result: PathResult): Reading => {
  const { body } = result;
  return {
    kind: 'path',
    ...ofRun(result),
    toEdgeId: tracedEdge(result.appId, result.probeId, result.edgeId),
    hops: readHops(body.hops),
    rttMedianMs: body.rttMedianMs,
    rttMinMs: body.rttMinMs,
    lossRatio: body.lossRatio,
    sentCount: sentTo(body.hops),
    reached: body.reached,
    mtuBytes: body.mtu?.bytes ?? null,
    mtuBlackHole: body.mtu?.blackHole ?? false,
  };
};

const ofTunnel = (sample: TunnelSample): Reading => ({
  kind: 'tunnel',
  timeMs: Math.round(sample.at),
  deviceId: sample.deviceId,
  edgeId: sample.edgeId,
  up: sample.state === 'up',
  controlRttMs: sample.controlRttMs,
  queueMs: sample.queueMs,
  underlayRttMs: sample.underlayRttMs,
  pingSentCount: sample.pingSentCount,
  pingLostCount: sample.pingLostCount,
  udpLossRatio: sample.udpLossRatio ?? null,
  reconnectCount: sample.reconnectCount,
  sameFlow: sample.sameFlow ?? null,
  requested: (sample.burstId ?? null) !== null,
});

const ofDevice = (sample: DeviceSample): Reading => ({
  kind: 'device',
  timeMs: Math.round(sample.at),
  deviceId: sample.deviceId,
  lagMs: sample.eventLoopDelayMs,
  cpuRatio: sample.cpuRatio,
  memoryUsedRatio: sample.memoryUsedRatio,
  linkType: sample.link?.type ?? null,
  signalDbm: sample.link?.signalDbm ?? null,
  gatewayAddress: sample.gateway?.address ?? null,
  siteId: sample.gateway?.siteId ?? null,
  gatewayRttMs: sample.gateway?.rttMs ?? null,
  gatewayLossRatio: sample.gateway?.lossRatio ?? null,
  requested: (sample.burstId ?? null) !== null,
});

const ofEdge = (sample: EdgeSample): Reading => ({
  kind: 'edge',
  timeMs: Math.round(sample.at),
  edgeId: sample.edgeId,
  lagMs: sample.eventLoopDelayMs,
  cpuRatio: sample.cpuRatio,
  sessionCount: sample.sessionCount,
  queueMs: sample.queueMs,
  dnsMs: sample.dnsMs,
  connectMs: sample.connectMs,
});

const ofOnward = (sample: OnwardSample): Reading => {
  const hops = sample.path?.hops ?? [];
  return {
    kind: 'onward',
    timeMs: Math.round(sample.at),
    edgeId: sample.edgeId,
    appId: sample.appId,
    dnsMs: sample.dnsMs,
    connectMs: sample.connectMs,
    connectLossRatio: sample.connectLossRatio,
    hops: readHops(hops),
    address: targetAddress(hops, sample.path?.reached ?? false),
    rttMedianMs: sample.path?.rttMedianMs ?? null,
    lossRatio: sample.path?.lossRatio ?? null,
    sentCount: sentTo(hops),
    mtuBytes: sample.path?.mtu?.bytes ?? null,
    mtuBlackHole: sample.path?.mtu?.blackHole ?? false,
    requested: (sample.burstId ?? null) !== null,
  };
};
