import type { DialAttempt, EdgeTiming, HttpBody, HttpExchange } from '#contract/result.ts';
import type { Outcome } from '#probes/probe.ts';
import { showBar, showFailure, showMs, showTable } from './lines.ts';

/** An HTTP run for a person: every exchange with its phases, then certificate and failure. */
export const describeHttp = ({ body, failure, durationMs }: Outcome<'http'>): string =>
  [
    ...body.exchanges.flatMap((exchange, i) => [
      ...(i === 0 ? [] : ['', `redirect ${i}`]),
      ...describeExchange(body.method, exchange),
    ]),
    ...describeCertificate(body.certificate),
    ...(body.exchanges.length > 1 ? [`whole run  ${showMs(durationMs)}`] : []),
    ...showFailure(failure),
  ].join('\n');

const describeExchange = (method: HttpBody['method'], exchange: HttpExchange): string[] => [
  `${method} ${exchange.url}`,
  `  ${describeAnswer(exchange)}`,
  ...describePhases(exchange).map((line) => `  ${line}`),
  ...describeEdge(exchange.edge),
  ...describeAttempts(exchange.attempts),
];

const describeAnswer = ({ status, bodyBytes, remoteAddress, remotePort }: HttpExchange): string => {
  const from = remoteAddress === null ? '' : ` from ${remoteAddress} port ${remotePort}`;
  return status === null ? `no answer${from}` : `${status}, ${bodyBytes} bytes${from}`;
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

const describeCertificate = (certificate: HttpBody['certificate']): string[] => {
  if (certificate === null) return [];
  const { subject, issuer, notAfter, protocol } = certificate;
  const until = new Date(notAfter).toISOString().slice(0, 16).replace('T', ' ');
  return [`certificate  ${subject}, issued by ${issuer}, valid until ${until} UTC, ${protocol}`];
};
