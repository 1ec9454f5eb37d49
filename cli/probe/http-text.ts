import type { DialAttempt, EdgeTiming, ServerCertificate } from '#contract/body/connection.ts';
import type { HttpBody, HttpExchange } from '#contract/body/http.ts';
import type { Outcome } from '#probes/probe.ts';
import { showBar, showFailure, showMs, showTable } from './lines.ts';

/** An HTTP run for a person: every exchange with its phases, then certificate and failure. */
export const describeHttp = ({ body, failure, durationMs }: Outcome<'http'>): string =>
  [
    ...body.exchanges.flatMap((exchange, i) => [
      ...(i === 0 ? [] : ['', `redirect ${i}`]),
      ...describeExchange(body, exchange),
    ]),
    ...describeWarm(body.warm),
    ...describeCertificate(body.certificate),
    ...(body.exchanges.length > 1 ? [`whole run  ${showMs(durationMs)}`] : []),
    ...showFailure(failure),
  ].join('\n');

const describeExchange = (body: HttpBody, exchange: HttpExchange): string[] => [
  `${body.method} ${exchange.url}`,
  `  ${describeAnswer(exchange, exchange === body.exchanges.at(-1) ? body.httpVersion : null)}`,
  ...describePhases(exchange).map((line) => `  ${line}`),
  ...describeEdge(exchange.edge),
  ...describeAttempts(exchange.attempts),
];

const describeAnswer = (
  { status, bodyBytes, remoteAddress, remotePort }: HttpExchange,
  version: HttpBody['httpVersion'],
): string => {
  const from = remoteAddress === null ? '' : ` from ${remoteAddress} port ${remotePort}`;
  const by = version === null ? '' : `, HTTP/${version}`;
  return status === null ? `no answer${from}` : `${status}, ${bodyBytes} bytes${from}${by}`;
};

const describePhases = ({ phases, durationMs, dnsSource }: HttpExchange): string[] => {
  const named: [string, number | null][] = [
    [dnsSource === 'warm' ? 'dns (warm)' : 'dns', phases.dnsMs],
    ['connect', phases.connectMs],
    ['proxy connect', phases.proxyConnectMs],
    ['tls', phases.tlsMs],
    ['wait', phases.waitMs],
    ['receive', phases.receiveMs],
  ];
  let sofarMs = 0;
  const rows = named
    .filter(([, ms]) => ms !== null)
    .map(([name, ms]) => {
      const bar = showBar(sofarMs, ms ?? 0, durationMs);
      sofarMs += ms ?? 0;
      return [name, showMs(ms), bar];
    });
  return rows.length === 0 ? [] : showTable([...rows, ['total', showMs(durationMs), '']], [1]);
};

const describeEdge = (edge: EdgeTiming | null): string[] => {
  if (edge === null) return [];
  const { edgeId, queueMs, dnsMs, connectMs } = edge;
  return [
    `  at edge ${edgeId}: queue ${showMs(queueMs)}, dns ${showMs(dnsMs)}, connect ${showMs(connectMs)}`,
  ];
};

const describeAttempts = (attempts: readonly DialAttempt[]): string[] => {
  if (attempts.length < 2) return [];
  const rows = attempts.map(({ address, outcome, startedMs, endedMs }) => [
    address,
    outcome,
    `at ${showMs(startedMs)}`,
    `for ${showMs(endedMs - startedMs)}`,
  ]);
  return ['  attempts', ...showTable(rows, [2, 3]).map((line) => `    ${line}`)];
};

const describeWarm = (warm: HttpBody['warm']): string[] => {
  if (!warm) return [];
  const { status, waitMs, receiveMs } = warm;
  return [`warm  ${status}, wait ${showMs(waitMs)}, receive ${showMs(receiveMs)}`];
};

const describeCertificate = (certificate: HttpBody['certificate']): string[] => {
  if (certificate === null) return [];
  const { subject, issuer, notAfter, protocol, chain = [], root, nameMatches } = certificate;
  return [
    `certificate  ${subject}, issued by ${issuer}, valid until ${showTime(notAfter)}, ${protocol}`,
    ...(nameMatches === false ? ['  it is for another name'] : []),
    ...chain.slice(1).map((one) => `  ${one.subject}, valid until ${showTime(one.notAfter)}`),
    ...(root === undefined ? [] : [`  ${rootWords[root]}${showDays(certificate.daysLeft)}`]),
    ...describeInspection(certificate.inspection),
  ];
};

const showTime = (atMs: number): string =>
  `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const showDays = (days: number | undefined): string =>
  days === undefined
    ? ''
    : `; the first of them ends ${days < 0 ? 'since' : 'in'} ${Math.abs(Math.floor(days))} days`;

const rootWords = {
  public: 'under a public root',
  system: 'under a root that only this device’s store has',
  extra: 'under an extra CA',
  unknown: 'under a root that is not known here',
} as const;

const describeInspection = (inspection: ServerCertificate['inspection']): string[] => {
  if (!inspection) return [];
  return inspection.sign === 'vendor-name'
    ? [`  INSPECTED by its name: ${inspection.name}`]
    : [`  inspected, or a private application: ${inspection.name} is no public root`];
};
