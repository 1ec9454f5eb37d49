import type { TcpBody, TlsBody } from '#contract/body/connection.ts';
import type { Outcome } from '#probes/probe.ts';
import { showFailure, showMs, showTable } from './lines.ts';

export const describeTcp = ({ body, failure }: Outcome<'tcp'>): string =>
  [`connection to ${placeOf(body)}`, ...describeConnection(body, []), ...showFailure(failure)].join(
    '\n',
  );

/** The handshake, then each certificate with the days it has left. */
export const describeTls = ({ body, failure }: Outcome<'tls'>): string =>
  [
    `TLS handshake with ${placeOf(body)}${body.serverName === body.host ? '' : ` as ${body.serverName}`}`,
    ...describeConnection(body, [['tls', body.tlsMs]]),
    ...describeAgreed(body),
    ...describeCertificates(body),
    ...showFailure(failure),
  ].join('\n');

const placeOf = ({ host, port, remoteAddress }: TcpBody): string => {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return remoteAddress === null || remoteAddress === host ? place : `${place} (${remoteAddress})`;
};

const describeConnection = (body: TcpBody, more: [string, number | null][]): string[] => {
  const phases: [string, number | null][] = [
    ['dns', body.dnsMs],
    ['connect', body.connectMs],
    ['proxy connect', body.proxyConnectMs],
    ...more,
    ['total', body.durationMs],
  ];
  const rows = phases
    .filter(([, ms]) => ms !== null)
    .map(([name, ms]) => [`  ${name}`, showMs(ms)]);
  const attempts = body.attempts.map(({ address, outcome, startedMs, endedMs }) => [
    `  ${address}`,
    outcome,
    `at ${showMs(startedMs)}`,
    `for ${showMs(endedMs - startedMs)}`,
  ]);
  return [
    ...showTable(rows, [1]),
    ...(body.edge === null
      ? []
      : [`  at edge ${body.edge.edgeId}: connect ${showMs(body.edge.connectMs)}`]),
    ...(attempts.length < 2 && body.durationMs > 0 ? [] : showTable(attempts, [2, 3])),
  ];
};

const describeAgreed = ({ certificate, cipher, alpn }: TlsBody): string[] => {
  if (cipher === null) return [];
  const protocol = alpn === null || alpn === '' ? 'no protocol chosen' : `protocol ${alpn}`;
  return [`  ${[certificate?.protocol, cipher, protocol].filter(Boolean).join(', ')}`];
};

const describeCertificates = (body: TlsBody): string[] => {
  const { certificate, trusted, warnDays, expiresSoon } = body;
  if (certificate === null) return [];
  const rows = (certificate.chain ?? []).map(({ subject, issuer, notBefore, notAfter }) => [
    `  ${subject}`,
    `issued by ${issuer}`,
    `${dayOf(notBefore)} to ${dayOf(notAfter)}`,
  ]);
  return [
    'certificates',
    ...showTable(rows, []),
    `  name ${certificate.nameMatches ? 'matches' : 'does NOT match'}, chain ${trusted ? 'trusted' : 'NOT trusted'} (${certificate.root ?? 'unknown'} root)`,
    `  ${certificate.daysLeft ?? '–'} days until the first expires${expiresSoon ? `: fewer than ${warnDays}, renew it` : ''}`,
  ];
};

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
