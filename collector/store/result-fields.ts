import type { DnsBody } from '#contract/body/dns.ts';
import type { HttpBody } from '#contract/body/http.ts';
import type { PageLoadBody } from '#contract/body/page-load.ts';
import type { PathBody } from '#contract/body/path.ts';
import type { RunField } from './run-schema.ts';
import type { FieldsOf, Measurement } from './schema.ts';

/** The fields that are a probe type's own, without those every run has. */
export type OwnFields<M extends Measurement> = Omit<FieldsOf<M>, RunField>;

const dayMs = 86_400_000;

/** The last exchange is the answer: phases of redirects are never summed into it. */
export const httpFields = (
  body: HttpBody,
  startedAtMs: number,
  pairId: string | null,
): OwnFields<'http'> => {
  const last = body.exchanges.at(-1);
  const certificate = certificateFields(body.certificate, startedAtMs);
  return {
    url: body.url,
    status: last?.status ?? null,
    redirect_count: Math.max(0, body.exchanges.length - 1),
    duration_ms: last?.durationMs ?? null,
    dns_ms: last?.phases.dnsMs ?? null,
    connect_ms: last?.phases.connectMs ?? null,
    proxy_connect_ms: last?.phases.proxyConnectMs ?? null,
    tls_ms: last?.phases.tlsMs ?? null,
    wait_ms: last?.phases.waitMs ?? null,
    receive_ms: last?.phases.receiveMs ?? null,
    body_bytes: last?.bodyBytes ?? null,
    dns_source: last?.dnsSource ?? null,
    remote_address: last?.remoteAddress ?? null,
    attempt_count: last?.attempts.length ?? null,
    edge_queue_ms: last?.edge?.queueMs ?? null,
    edge_dns_ms: last?.edge?.dnsMs ?? null,
    edge_connect_ms: last?.edge?.connectMs ?? null,
    edge_waited_ms: last?.edge?.waitedMs ?? null,
    edge_address: last?.edge?.address ?? null,
    edge_flow_id: last?.edge?.flowId ?? null,
    http_version: body.httpVersion,
    family: last?.family ? `ipv${last.family}` : null,
    warm_wait_ms: body.warm?.waitMs ?? null,
    warm_receive_ms: body.warm?.receiveMs ?? null,
    certificate_days_left: certificate.daysLeft,
    certificate_issuer: certificate.issuer,
    certificate_root: certificate.root,
    tls_protocol: certificate.protocol,
    inspected: certificate.inspected,
    inspection: certificate.inspection,
    pair_id: pairId,
  };
};

const certificateFields = (certificate: HttpBody['certificate'], startedAtMs: number) => ({
  daysLeft:
    certificate === null
      ? null
      : (certificate.daysLeft ?? (certificate.notAfter - startedAtMs) / dayMs),
  issuer: certificate?.issuer ?? null,
  root: certificate?.root ?? null,
  protocol: certificate?.protocol ?? null,
  inspected: certificate?.inspection === undefined ? null : certificate.inspection ? 1 : 0,
  inspection: certificate?.inspection
    ? `${certificate.inspection.sign}: ${certificate.inspection.name}`
    : null,
});

export const pathFields = (body: PathBody): OwnFields<'path'> => ({
  target: body.target,
  address: body.address,
  protocol: body.protocol,
  method: body.method,
  reached: body.reached ? 1 : 0,
  hop_count: body.hops.length,
  silent_hop_count: body.hops.filter((hop) => hop.address === null).length,
  limited_hop_count: body.hops.filter((hop) => hop.state === 'limited').length,
  branched_hop_count: body.hops.filter((hop) => hop.branches !== undefined).length,
  first_hop_ms: body.hops.find((hop) => hop.ttl === 1)?.rttMedianMs ?? null,
  rtt_min_ms: body.rttMinMs,
  rtt_median_ms: body.rttMedianMs,
  jitter_ms: body.jitterMs,
  loss_ratio: body.lossRatio,
  route_hash: body.routeHash,
  former_route_hash: body.formerRouteHash ?? null,
  flow_count: body.flowCount ?? 1,
  mtu_bytes: body.mtu?.bytes ?? null,
  mtu_black_hole: body.mtu === undefined ? null : body.mtu.blackHole ? 1 : 0,
  hops: JSON.stringify(body.hops),
});

/** Kept of the page's resources; the count of all stands in `request_count`. */
const storedResources = 15;

export const pageLoadFields = (body: PageLoadBody): OwnFields<'page_load'> => {
  const slowest = [...body.resources].sort((a, b) => b.durationMs - a.durationMs);
  return {
    url: body.url,
    status: body.status,
    ttfb_ms: body.ttfbMs,
    fcp_ms: body.fcpMs,
    lcp_ms: body.lcpMs,
    cls: body.cls,
    dom_content_loaded_ms: body.domContentLoadedMs,
    load_ms: body.loadMs,
    total_blocking_ms: body.totalBlockingMs,
    request_count: body.requestCount,
    transfer_bytes: body.transferBytes,
    failed_request_count: body.failedRequestCount,
    third_party_count: body.thirdPartyCount,
    console_error_count: body.consoleErrorCount,
    redirect_ms: body.navigation?.redirectMs ?? null,
    dns_ms: body.navigation?.dnsMs ?? null,
    connect_ms: body.navigation?.connectMs ?? null,
    tls_ms: body.navigation?.tlsMs ?? null,
    wait_ms: body.navigation?.waitMs ?? null,
    receive_ms: body.navigation?.receiveMs ?? null,
    long_task_count: body.longTasks?.count ?? null,
    longest_task_ms: body.longTasks?.longest[0]?.durationMs ?? null,
    step_count: body.steps?.length ?? null,
    failed_step: body.steps?.find(({ outcome }) => outcome === 'failed')?.name ?? null,
    steps: listOf(body.steps),
    hosts: listOf(body.hosts),
    problems: listOf(body.problems),
    slowest_host: slowest[0]?.host ?? null,
    slowest_host_ms: slowest[0]?.durationMs ?? null,
    resources: JSON.stringify(slowest.slice(0, storedResources)),
  };
};

const listOf = (list: readonly unknown[] | undefined): string | null =>
  list === undefined || list.length === 0 ? null : JSON.stringify(list);

/** 1 or 0; what is not known stays null. */
export const flagOf = (value: boolean | null | undefined): number | null =>
  value === null || value === undefined ? null : value ? 1 : 0;

export const dnsFields = (body: DnsBody): OwnFields<'dns'> => {
  const first = body.replies?.[0];
  return {
    name: body.name,
    record_type: body.recordType,
    servers: body.servers.join(', '),
    duration_ms: body.durationMs,
    answer_count: body.answers.length,
    answers: body.answers.join(', '),
    transport: first?.transport ?? null,
    rcode: body.rcode ?? null,
    authenticated: flagOf(body.authenticated),
    setup_ms: first?.setupMs ?? null,
    ttl_seconds: first?.ttlSeconds ?? null,
    attempt_count: first?.attempts.length ?? null,
    agree: flagOf(body.agree),
    differences: body.differences?.join('; ') ?? null,
  };
};
