import { Resolver } from 'node:dns/promises';
import type { Failure } from '#contract/failure.ts';
import type { DnsProbe } from '#contract/plan.ts';
import type { DnsBody } from '#contract/result.ts';
import { classifyError, failureOf } from '../classify.ts';
import { type Deadline, startDeadline } from '../deadline.ts';
import { sinceMs } from '../duration.ts';
import type { Prober } from '../probe.ts';
import { resolverTimers } from '../resolve.ts';
import { askFor } from './question.ts';

/**
 * Asks a name server for records, over UDP (TCP when the answer is cut off), and times the answer.
 * The question always leaves from the device itself: CONNECT carries no UDP.
 */
export const createDnsProber = (): Prober<'dns'> => ({
  type: 'dns',
  async run(probe, context) {
    const startedMs = performance.now();
    const deadline = startDeadline(context.signal, probe.timeoutMs);
    const body: DnsBody = {
      name: probe.name,
      recordType: probe.recordType,
      servers: [],
      durationMs: null,
      answers: [],
    };
    const failure = await measure(probe, body, deadline);
    deadline.stop();
    const durationMs = sinceMs(startedMs);
    return { durationMs, availability: failure === null ? 1 : 0, failure, body };
  },
  stop: () => Promise.resolve(),
});

const measure = async (
  probe: DnsProbe,
  body: DnsBody,
  deadline: Deadline,
): Promise<Failure | null> => {
  const resolver = new Resolver(resolverTimers);
  const cancel = () => resolver.cancel();
  try {
    if (probe.server !== '') resolver.setServers([probe.server]);
  } catch {
    return failureOf('dns.unreachable', 'prepare', badServer);
  }
  body.servers = resolver.getServers().slice(0, 8).map(withPort);
  deadline.signal.addEventListener('abort', cancel, { once: true });
  const startedMs = performance.now();
  try {
    const asked = askFor(resolver, probe);
    if (deadline.signal.aborted) cancel();
    const answers = await asked;
    body.durationMs = sinceMs(startedMs);
    body.answers = answers.slice(0, 64).map((answer) => answer.slice(0, 512));
    return answers.length > 0 ? null : classifyError('dns', noData);
  } catch (error) {
    // "No such name" took a round trip like any other answer; silence has no duration.
    if (isAnswer(error)) body.durationMs = sinceMs(startedMs);
    return classifyError('dns', error, deadline.cutShort());
  } finally {
    deadline.signal.removeEventListener('abort', cancel);
  }
};

const badServer = 'the server is not an address: write it as ADDRESS, ADDRESS:PORT or [IPV6]:PORT';

const noData = Object.assign(new Error('the name has no such record'), { code: 'ENODATA' });

const isAnswer = (error: unknown): boolean =>
  ['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'EFORMERR', 'ENOTIMP'].includes(
    String((error as { code?: unknown }).code),
  );

/** Node leaves the port out where it is 53. */
const withPort = (server: string): string => {
  if (/^\[.*\]:\d+$/.test(server) || /^[^:]+:\d+$/.test(server)) return server;
  return server.includes(':') ? `[${server}]:53` : `${server}:53`;
};
