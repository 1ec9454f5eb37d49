import type { TcpBody, TlsBody } from '#contract/body/connection.ts';
import type { Failure } from '#contract/failure.ts';
import type { Outcome } from '#probes/probe.ts';
import { showEnd } from './certificate-end.ts';
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
    ...describeCertificates(body, failure),
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
    ...(attempts.length < 2 && body.remoteAddress !== null ? [] : showTable(attempts, [2, 3])),
  ];
};

const describeAgreed = ({ certificate, cipher, alpn }: TlsBody): string[] => {
  if (cipher === null) return [];
  const protocol = alpn === null || alpn === '' ? 'no protocol chosen' : `protocol ${alpn}`;
  return [`  ${[certificate?.protocol, cipher, protocol].filter(Boolean).join(', ')}`];
};

const describeCertificates = (body: TlsBody, failure: Failure | null): string[] => {
  const { certificate, trusted, warnDays, expiresSoon } = body;
  if (certificate === null) return [];
  const { daysLeft } = certificate;
  const isOutOfDate = failure?.type === 'tls.cert.date_invalid' && certificate.root !== 'unknown';
  const trust = trusted
    ? 'chain trusted'
    : isOutOfDate
      ? 'chain trusted but for its DATES'
      : 'chain NOT trusted';
  const isSoon = expiresSoon && (daysLeft ?? 0) > 0;
  const rows = (certificate.chain ?? []).map(({ subject, issuer, notBefore, notAfter }) => [
    `  ${subject}`,
    `issued by ${issuer}`,
    `${dayOf(notBefore)} to ${dayOf(notAfter)}`,
  ]);
  return [
    'certificates',
    ...showTable(rows, []),
    `  name ${certificate.nameMatches ? 'matches' : 'does NOT match'}, ${trust} (${certificate.root ?? 'unknown'} root)`,
    ...(daysLeft === undefined
      ? []
      : [
          `  the first of them ${showEnd(daysLeft)}${isSoon ? `: fewer than ${warnDays} days, renew it` : ''}`,
        ]),
  ];
};

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
