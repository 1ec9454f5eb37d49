import type { EdgeTiming, ServerCertificate } from '#contract/body/connection.ts';
import type { HttpBody, HttpExchange } from '#contract/body/http.ts';
import type { Failure } from '#contract/failure.ts';
import type { Outcome } from '#probes/probe.ts';
import { showEnd } from './certificate-end.ts';
import { showBar, showFailure, showMs, showTable } from './lines.ts';

/** An HTTP run for a person: every exchange with its phases, then certificate and failure. */
export const describeHttp = ({ body, failure, durationMs }: Outcome<'http'>): string =>
  [
    ...body.exchanges.flatMap((exchange, i) => [
      ...(i === 0 ? [] : ['', `redirect ${i}`]),
      ...describeExchange(body, exchange, i + 1 === body.exchanges.length ? failure : null),
    ]),
    ...describeWarm(body.warm),
    ...describeCertificate(body.certificate),
    ...(body.exchanges.length > 1 ? [`whole run  ${showMs(durationMs)}`] : []),
    ...showFailure(failure),
  ].join('\n');

const describeExchange = (
  body: HttpBody,
  exchange: HttpExchange,
  failure: Failure | null,
): string[] => [
  `${body.method} ${exchange.url}`,
  `  ${describeAnswer(exchange, exchange === body.exchanges.at(-1) ? body.httpVersion : null)}`,
  ...describePhases(exchange, failure?.phase).map((line) => `  ${line}`),
  ...describeEdge(exchange.edge),
  ...describeAttempts(exchange),
];

const describeAnswer = (
  { status, bodyBytes, remoteAddress, remotePort }: HttpExchange,
  version: HttpBody['httpVersion'],
): string => {
  const from = remoteAddress === null ? '' : ` from ${remoteAddress} port ${remotePort}`;
  const by = version === null ? '' : `, HTTP/${version}`;
  return status === null ? `no answer${from}` : `${status}, ${bodyBytes} bytes${from}${by}`;
};

const describePhases = (
  { phases, durationMs, dnsSource }: HttpExchange,
  failedIn: Failure['phase'] | undefined,
): string[] => {
  const named: [name: string, phase: Failure['phase'], ms: number | null][] = [
    [dnsSource === 'warm' ? 'dns (warm)' : 'dns', 'dns', phases.dnsMs],
    ['connect', 'connect', phases.connectMs],
    ['proxy connect', 'proxy-connect', phases.proxyConnectMs],
    ['tls', 'tls', phases.tlsMs],
    ['wait', 'wait', phases.waitMs],
    ['receive', 'receive', phases.receiveMs],
  ];
  // Beyond the phases only where the run was given up in the middle of one.
  const restMs = durationMs - named.reduce((sum, [, , ms]) => sum + (ms ?? 0), 0);
  let sofarMs = 0;
  const rows = named.flatMap(([name, phase, ms]) => {
    const isUnfinished = ms === null && phase === failedIn && restMs > 0.01;
    if (ms === null && !isUnfinished) return [];
    const tookMs = ms ?? restMs;
    const bar = showBar(sofarMs, tookMs, durationMs);
    sofarMs += tookMs;
    return [
      [
        name,
        `${isUnfinished ? '> ' : ''}${showMs(tookMs)}`,
        isUnfinished ? `${bar} not finished` : bar,
      ],
    ];
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

/** One that worked is the connection itself, and told above. */
const describeAttempts = ({ attempts, remoteAddress }: HttpExchange): string[] => {
  if (attempts.length === 0 || (attempts.length === 1 && remoteAddress !== null)) return [];
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
  days === undefined ? '' : `; the first of them ${showEnd(days)}`;

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
