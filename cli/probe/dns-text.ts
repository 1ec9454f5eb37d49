import type { DnsAttempt, DnsReply } from '#contract/body/dns.ts';
import type { Outcome } from '#probes/probe.ts';
import { showFailure, showMs, showTable } from './lines.ts';

/** A DNS answer; with several servers, each of them and what differs. */
export const describeDns = ({ body, failure }: Outcome<'dns'>): string => {
  const { replies = [], differences = [], agree = null } = body;
  const [first] = replies;
  return [
    `${body.recordType} ${body.name}, asked ${body.servers.join(', ') || 'nobody'}: ${showMs(body.durationMs)}`,
    ...body.answers.map((answer) => `  ${answer}`),
    ...(first === undefined ? [] : describeReply(first)),
    ...(replies.length < 2 ? [] : describeServers(replies)),
    ...(agree === null ? [] : [agree ? 'all say the same' : 'they differ:']),
    ...differences.map((difference) => `  ${difference}`),
    ...showFailure(failure),
  ].join('\n');
};

const describeReply = (reply: DnsReply): string[] => {
  const { rcode, authenticated, ttlSeconds, bytes, transport, setupMs, recursionAvailable } = reply;
  const facts = [
    rcode,
    authenticated === null ? null : authenticated ? 'validated by DNSSEC' : 'not validated',
    recursionAvailable === false ? 'no recursion offered' : null,
    ttlSeconds === null ? null : `kept for ${ttlSeconds} s`,
    bytes === null ? null : `${bytes} bytes over ${transport}`,
    setupMs === null ? null : `connection ready after ${showMs(setupMs)}`,
  ].filter((fact) => fact !== null);
  const lost = reply.attempts.filter(({ outcome }) => outcome !== 'answered');
  return [
    ...(facts.length === 0 ? [] : [`  ${facts.join(', ')}`]),
    ...(lost.length === 0 ? [] : reply.attempts.map(describeAttempt)),
  ];
};

const describeAttempt = ({ server, transport, outcome, startedMs, endedMs }: DnsAttempt): string =>
  `  ${server} over ${transport}: ${outcome}, at ${showMs(startedMs)} for ${showMs(endedMs - startedMs)}`;

const describeServers = (replies: readonly DnsReply[]): string[] =>
  showTable(
    replies.map((reply) => [
      `  ${reply.server}`,
      showMs(reply.durationMs),
      reply.rcode ?? reply.failure?.type ?? '',
      reply.answers.join(', ').slice(0, 80),
    ]),
    [1],
  );
