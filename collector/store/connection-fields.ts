import type { TcpBody, TlsBody } from '#contract/body/connection.ts';
import { flagOf, type OwnFields } from './result-fields.ts';

export const tcpFields = (body: TcpBody): OwnFields<'tcp'> => ({
  target: `${body.host.includes(':') ? `[${body.host}]` : body.host}:${body.port}`,
  duration_ms: body.durationMs,
  dns_ms: body.dnsMs,
  connect_ms: body.connectMs,
  proxy_connect_ms: body.proxyConnectMs,
  dns_source: body.dnsSource,
  remote_address: body.remoteAddress,
  attempt_count: body.attempts.length,
  edge_queue_ms: body.edge?.queueMs ?? null,
  edge_dns_ms: body.edge?.dnsMs ?? null,
  edge_connect_ms: body.edge?.connectMs ?? null,
  edge_waited_ms: body.edge?.waitedMs ?? null,
  edge_address: body.edge?.address ?? null,
  edge_flow_id: body.edge?.flowId ?? null,
});

export const tlsFields = (body: TlsBody): OwnFields<'tls'> => {
  const { certificate } = body;
  return {
    ...tcpFields(body),
    tls_ms: body.tlsMs,
    protocol: certificate?.protocol ?? null,
    cipher: body.cipher,
    alpn: body.alpn,
    certificate_subject: certificate?.subject ?? null,
    certificate_issuer: certificate?.issuer ?? null,
    certificate_days_left: certificate?.daysLeft ?? null,
    name_matches: flagOf(certificate?.nameMatches),
    trusted: flagOf(body.trusted),
    trust_root: certificate?.root ?? null,
    expires_soon: flagOf(body.expiresSoon),
    certificates: certificate === null ? null : JSON.stringify(certificate.chain ?? []),
  };
};
