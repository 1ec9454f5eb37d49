import type { DnsReply } from '#contract/body/dns.ts';
import type { DnsServer } from '#contract/dns-server.ts';
import type { Failure } from '#contract/failure.ts';
import { classifyError } from '../classify.ts';
import { sinceMs } from '../duration.ts';
import { askStream, type StreamEnd, type StreamMeans } from './ask-stream.ts';
import { askUdp, type UdpEnd } from './ask-udp.ts';
import type { Message, Question } from './message.ts';
import { lowestTtl, rcodeOf, showAnswers } from './records.ts';

/**
 * Asks one server, or several of the system's in turn, and gives what it said. An answer that did
 * not fit into UDP is asked for again over TCP (RFC 7766 section 5).
 */
export const ask = async (
  servers: readonly [DnsServer, ...DnsServer[]],
  question: Question,
  means: StreamMeans,
): Promise<DnsReply> => {
  const [first] = servers;
  const startedMs = performance.now();
  if (first.transport !== 'udp') {
    return streamReply(first, question, await askStream(first, question, startedMs, means));
  }
  const end = await askUdp(servers, question, startedMs, means.deadline.signal);
  const { answered } = end;
  if (answered === undefined) return unansweredReply(first, end, means);
  if (answered.attempt.outcome !== 'truncated') return udpReply(question, end, answered);

  const { server, attempt } = answered;
  const again = await askStream({ ...server, transport: 'tcp' }, question, startedMs, means);
  const reply = streamReply(server, question, again);
  return {
    ...reply,
    attempts: [...end.attempts, ...reply.attempts],
    setupMs: null,
    // All of it was needed for this answer: connecting too.
    durationMs: again.ok ? sinceMs(startedMs + attempt.startedMs) : null,
  };
};

const unasked = (server: DnsServer): DnsReply => ({
  server: server.name,
  transport: server.transport,
  setupMs: null,
  durationMs: null,
  attempts: [],
  rcode: null,
  authenticated: null,
  recursionAvailable: null,
  ttlSeconds: null,
  bytes: null,
  answers: [],
  failure: null,
});

const unansweredReply = (
  server: DnsServer,
  { attempts, error }: UdpEnd,
  { deadline }: StreamMeans,
): DnsReply => ({
  ...unasked(server),
  attempts,
  // A closed port was told at once; a deadline that came later changes nothing about it.
  failure: classifyError('dns', error ?? silence, error ? undefined : deadline.cutShort()),
});

const silence = Object.assign(new Error('no answer to any of the attempts'), { code: 'ETIMEOUT' });

const udpReply = (
  question: Question,
  { attempts }: UdpEnd,
  { message, attempt, server }: NonNullable<UdpEnd['answered']>,
): DnsReply => ({
  ...unasked(server),
  attempts,
  durationMs: sinceMsOf(attempt),
  ...contentOf(message, question),
});

const sinceMsOf = ({ startedMs, endedMs }: { startedMs: number; endedMs: number }): number =>
  Math.round((endedMs - startedMs) * 1_000) / 1_000;

const streamReply = (server: DnsServer, question: Question, end: StreamEnd): DnsReply => ({
  ...unasked(server),
  transport: end.attempt.transport,
  attempts: [end.attempt],
  setupMs: end.setupMs,
  durationMs: end.durationMs,
  ...(end.ok ? contentOf(end.message, question) : { failure: end.failure }),
});

const contentOf = ({ packet, bytes }: Message, question: Question) => {
  const rcode = rcodeOf(packet);
  const answers = showAnswers(packet, question.type);
  return {
    rcode,
    authenticated: packet.flag_ad,
    recursionAvailable: packet.flag_ra,
    ttlSeconds: lowestTtl(packet),
    bytes,
    answers: answers.slice(0, 64).map((answer) => answer.slice(0, 512)),
    failure: failureOf(rcode, answers.length),
  };
};

const failureOf = (rcode: string, answerCount: number): Failure | null => {
  if (rcode === 'NOERROR') return answerCount > 0 ? null : classifyError('dns', noData);
  const code = rcode === 'NXDOMAIN' ? 'ENOTFOUND' : 'EREFUSED';
  return classifyError('dns', Object.assign(new Error(`the server says ${rcode}`), { code }));
};

const noData = Object.assign(new Error('the name has no such record'), { code: 'ENODATA' });
