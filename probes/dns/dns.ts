import { Resolver } from 'node:dns/promises';
import type { DnsBody, DnsReply } from '#contract/body/dns.ts';
import { type DnsServer, parseServer, serverForms } from '#contract/dns-server.ts';
import type { Failure } from '#contract/failure.ts';
import type { DnsProbe } from '#contract/plan.ts';
import { failureOf } from '../classify.ts';
import { startDeadline } from '../deadline.ts';
import { sinceMs } from '../duration.ts';
import type { Prober } from '../probe.ts';
import { createNameResolver } from '../resolve.ts';
import { createTrust } from '../trust.ts';
import { ask } from './ask.ts';
import type { StreamMeans } from './ask-stream.ts';
import { compareReplies } from './compare.ts';
import { type Question, wireName } from './message.ts';
import { reverseName } from './reverse-name.ts';

/**
 * Asks a name server for records and times the answer; further servers are asked beside it and
 * compared. The question always leaves from the device itself: CONNECT carries no UDP.
 */
export const createDnsProber = (): Prober<'dns'> => {
  const trust = createTrust();
  return {
    type: 'dns',
    async run(probe, context) {
      const asked = readQuestion(probe);
      // Reading some 300 certificates, where TLS is asked for: no part of the run.
      const secureContext = needsTls(asked) ? trust.contextFor(context.extraCa) : undefined;
      const startedMs = performance.now();
      const deadline = startDeadline(context.signal, probe.timeoutMs);
      const means = { deadline, resolver: createNameResolver(), context: secureContext };
      const replies = asked.ok ? await askAll(asked, means) : [];
      deadline.stop();
      const failure = asked.ok ? (replies[0]?.failure ?? null) : asked.failure;
      return {
        durationMs: sinceMs(startedMs),
        availability: failure === null ? 1 : 0,
        failure,
        body: bodyOf(probe, asked, replies),
      };
    },
    stop: () => Promise.resolve(),
  };
};

type Servers = [DnsServer, ...DnsServer[]];
type Asked =
  | { ok: true; question: Question; groups: [Servers, ...Servers[]] }
  | { ok: false; failure: Failure };

const readQuestion = (probe: DnsProbe): Asked => {
  const name = wireName(probe.recordType === 'PTR' ? reverseName(probe.name) : probe.name);
  if (name === undefined) return { ok: false, failure: badName };
  const first = probe.server === '' ? systemServers() : read(probe.server);
  const others = (probe.compareWith ?? []).map(read);
  const groups = [first, ...others].filter((group) => group !== undefined);
  const [head, ...tail] = groups;
  if (head === undefined || tail.length < others.length) return { ok: false, failure: badServer };
  return { ok: true, question: { name, type: probe.recordType }, groups: [head, ...tail] };
};

const needsTls = (asked: Asked): boolean =>
  asked.ok && asked.groups.flat().some(({ transport }) => ['tls', 'https'].includes(transport));

const badName = failureOf('dns.name_not_resolved', 'prepare', 'this is no name that DNS can hold');
const badServer = failureOf(
  'dns.unreachable',
  'prepare',
  `there is no server to ask, or one is not written as ${serverForms}`,
);

const read = (text: string): Servers | undefined => {
  const server = parseServer(text);
  return server && [server];
};

/** Read anew for each run: they change with the network. */
const systemServers = (): Servers | undefined => {
  const [first, ...others] = new Resolver()
    .getServers()
    .slice(0, 8)
    .map(parseServer)
    .filter((server) => server !== undefined);
  return first && [first, ...others];
};

/** Side by side: one that is slow must not make the others look late. */
const askAll = (
  { groups, question }: Extract<Asked, { ok: true }>,
  means: StreamMeans,
): Promise<DnsReply[]> => Promise.all(groups.map((servers) => ask(servers, question, means)));

const bodyOf = (probe: DnsProbe, asked: Asked, replies: DnsReply[]): DnsBody => {
  const [first] = replies;
  return {
    name: probe.name,
    recordType: probe.recordType,
    servers: asked.ok ? asked.groups[0].map(({ name }) => name) : [],
    durationMs: first?.durationMs ?? null,
    answers: first?.answers ?? [],
    rcode: first?.rcode ?? null,
    authenticated: first?.authenticated ?? null,
    ...compareReplies(replies),
    replies,
  };
};
