import type { PageHost, PageStepResult } from '#contract/body/page-load.ts';
import type { Point } from '../../store/schema.ts';
import { failureTypeOf } from '../failing.ts';
import { storedHops } from '../hops.ts';
import type { DeviceReading, Reading } from './reading.ts';
import { readHops, sentTo, targetAddress, tracedEdge } from './reading-of-record.ts';

/** As `readingOf`, from what is stored of the record. */
export const readingOfPoint = (point: Point): Reading | undefined => {
  switch (point.measurement) {
    case 'http':
      return ofHttp(point);
    case 'page_load':
      return ofPage(point);
    case 'path':
      return ofPath(point);
    case 'tunnel':
      return ofTunnel(point);
    case 'device':
      return ofDevice(point);
    case 'edge':
      return ofEdge(point);
    case 'onward':
      return ofOnward(point);
    default:
      return undefined;
  }
};

const orNull = (tag: string): string | null => (tag === '' ? null : tag);

const ofRun = ({ timeMs, tags, fields }: Point<'http'> | Point<'path'> | Point<'page_load'>) => ({
  timeMs,
  deviceId: tags.device,
  appId: tags.app,
  probeId: tags.probe,
  via: tags.via === 'tunnel' ? ('tunnel' as const) : ('direct' as const),
  edgeId: orNull(tags.edge),
  ok: fields.ok === 1,
  failureType: orNull(failureTypeOf(tags.failure_type, fields.failure_message)),
  distorted: fields.distorted === 1,
  requested: (fields.request_id ?? fields.burst_id ?? null) !== null,
  lagMs: fields.loop_delay_ms,
});

const ofHttp = (point: Point<'http'>): Reading => {
  const { fields } = point;
  // The edge always says how long the flow lay in its queue.
  const told = fields.edge_queue_ms !== null;
  return {
    kind: 'http',
    ...ofRun(point),
    totalMs: fields.duration_ms,
    dnsMs: fields.dns_ms,
    dnsSource: fields.dns_source,
    connectMs: fields.connect_ms,
    proxyConnectMs: fields.proxy_connect_ms,
    tlsMs: fields.tls_ms,
    waitMs: fields.wait_ms,
    receiveMs: fields.receive_ms,
    bodyBytes: fields.body_bytes ?? 0,
    edge: told
      ? {
          queueMs: fields.edge_queue_ms,
          dnsMs: fields.edge_dns_ms,
          connectMs: fields.edge_connect_ms,
          waitedMs: fields.edge_waited_ms,
          address: fields.edge_address,
        }
      : null,
    remoteAddress: fields.remote_address,
    tlsProtocol: fields.tls_protocol,
  };
};

const ofPage = (point: Point<'page_load'>): Reading => {
  const { fields } = point;
  return {
    kind: 'page',
    ...ofRun(point),
    ttfbMs: fields.ttfb_ms,
    fcpMs: fields.fcp_ms,
    lcpMs: fields.lcp_ms,
    loadMs: fields.load_ms,
    thirdParties: listIn<PageHost>(fields.hosts)
      .filter(({ isThirdParty }) => isThirdParty)
      .map(({ host, longestMs }) => ({ host, longestMs })),
    failedStep:
      fields.failed_step ??
      listIn<PageStepResult>(fields.steps).find(({ outcome }) => outcome === 'failed')?.name ??
      null,
  };
};

/** A list as stored; a text that was cut off holds none. */
const listIn = <T>(text: string | null): T[] => {
  if (text === null) return [];
  try {
    return JSON.parse(text) as T[];
  } catch {
    return [];
  }
};

const ofPath = (point: Point<'path'>): Reading => {
  const { tags, fields } = point;
  const hops = storedHops(fields.hops);
  return {
    kind: 'path',
    ...ofRun(point),
    toEdgeId: tracedEdge(tags.app, tags.probe, orNull(tags.edge)),
    hops: readHops(hops),
    rttMedianMs: fields.rtt_median_ms,
    rttMinMs: fields.rtt_min_ms,
    lossRatio: fields.loss_ratio,
    sentCount: sentTo(hops),
    reached: fields.reached === 1,
    mtuBytes: fields.mtu_bytes,
    mtuBlackHole: fields.mtu_black_hole === 1,
  };
};

const ofTunnel = ({ timeMs, tags, fields }: Point<'tunnel'>): Reading => ({
  kind: 'tunnel',
  timeMs,
  deviceId: tags.device,
  edgeId: orNull(tags.edge),
  up: fields.up === 1,
  controlRttMs: fields.control_rtt_ms,
  queueMs: fields.queue_ms,
  underlayRttMs: fields.underlay_rtt_ms,
  pingSentCount: fields.ping_sent_count ?? 0,
  pingLostCount: fields.ping_lost_count ?? 0,
  udpLossRatio: fields.udp_loss_ratio,
  reconnectCount: fields.reconnect_count ?? 0,
  sameFlow: (fields.same_flow ?? null) === null ? null : fields.same_flow === 1,
  requested: (fields.burst_id ?? null) !== null,
});

const ofDevice = ({ timeMs, tags, fields }: Point<'device'>): Reading => ({
  kind: 'device',
  timeMs,
  deviceId: tags.device,
  lagMs: fields.loop_delay_ms ?? 0,
  cpuRatio: fields.cpu_ratio,
  memoryUsedRatio: fields.memory_used_ratio,
  linkType: linkTypes.find((type) => type === fields.link_type) ?? null,
  signalDbm: fields.signal_dbm,
  gatewayAddress: fields.gateway_address,
  siteId: fields.site_id,
  gatewayRttMs: fields.gateway_rtt_ms,
  gatewayLossRatio: fields.gateway_loss_ratio,
  requested: (fields.burst_id ?? null) !== null,
});
const linkTypes: readonly NonNullable<DeviceReading['linkType']>[] = [
  'wired',
  'wifi',
  'loopback',
  'other',
];

const ofEdge = ({ timeMs, tags, fields }: Point<'edge'>): Reading => ({
  kind: 'edge',
  timeMs,
  edgeId: tags.edge,
  lagMs: fields.loop_delay_ms ?? 0,
  cpuRatio: fields.cpu_ratio,
  sessionCount: fields.session_count ?? 0,
  queueMs: fields.queue_ms,
  dnsMs: fields.dns_ms,
  connectMs: fields.connect_ms,
});

const ofOnward = ({ timeMs, tags, fields }: Point<'onward'>): Reading => {
  const hops = storedHops(fields.hops);
  return {
    kind: 'onward',
    timeMs,
    edgeId: tags.edge,
    appId: tags.app,
    dnsMs: fields.dns_ms,
    connectMs: fields.connect_ms,
    connectLossRatio: fields.connect_loss_ratio,
    hops: readHops(hops),
    address: targetAddress(hops, fields.reached === 1),
    rttMedianMs: fields.rtt_median_ms,
    lossRatio: fields.loss_ratio,
    sentCount: sentTo(hops),
    mtuBytes: fields.mtu_bytes,
    mtuBlackHole: fields.mtu_black_hole === 1,
    requested: (fields.burst_id ?? null) !== null,
  };
};
