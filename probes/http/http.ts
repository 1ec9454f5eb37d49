import type { SecureContext } from 'node:tls';
import type { Failure } from '#contract/failure.ts';
import type { HttpProbe } from '#contract/plan.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { classifyError, classifyStatus, failureOf } from '../classify.ts';
import { type Deadline, startDeadline } from '../deadline.ts';
import { sinceMs } from '../duration.ts';
import type { Outcome, ProbeContext, Prober } from '../probe.ts';
import { createNameResolver } from '../resolve.ts';
import { createTrust } from '../trust.ts';
import { type Exchanged, type ExchangeMeans, runExchange } from './exchange.ts';
import { decideNext, showUrl } from './redirect.ts';
import type { Request } from './send.ts';

/** Marks our traffic as ours, for the owner of the application who reads the server's log. */
const userAgent = `whyslow/${packageFile.version} (synthetic)`;

export type HttpProberOptions = {
  /** Name servers as `address:port`; left out: the system's. */
  nameServers?: readonly string[];
};

/** Measures an HTTP or HTTPS request phase by phase, each exchange on a fresh connection. */
export const createHttpProber = (options: HttpProberOptions = {}): Prober<'http'> => {
  const trust = createTrust();
  return {
    type: 'http',
    async run(probe, context) {
      let startedMs = performance.now();
      try {
        // Reading some 300 certificates, the first time: no part of the run.
        const secureContext = trust.contextFor(context.extraCa);
        startedMs = performance.now();
        const deadline = startDeadline(context.signal, probe.timeoutMs);
        const means = gather(probe, context, deadline, secureContext, options);
        const followed = await follow(probe, means).finally(deadline.stop);
        return conclude(probe, followed, startedMs);
      } catch (error) {
        // What no network does: a CA that cannot be read, a header that cannot be sent.
        return conclude(probe, { done: [], failure: classifyError('prepare', error) }, startedMs);
      }
    },
    stop: () => Promise.resolve(),
  };
};

const gather = (
  probe: HttpProbe,
  context: ProbeContext,
  deadline: Deadline,
  secureContext: SecureContext,
  options: HttpProberOptions,
): ExchangeMeans => ({
  deadline,
  userAgent,
  proxy: context.proxy,
  context: secureContext,
  resolver: createNameResolver(options.nameServers ? { servers: options.nameServers } : {}),
  maxBodyBytes: probe.maxBodyBytes,
  searchText: probe.expectBody,
});

type Followed = { done: Exchanged[]; failure: Failure | null };

/** One exchange after the other until an answer that is no redirect, or a failure. */
const follow = async (probe: HttpProbe, means: ExchangeMeans): Promise<Followed> => {
  const done: Exchanged[] = [];
  let request = firstRequest(probe);
  for (;;) {
    const exchanged = await runExchange(request, means);
    done.push(exchanged);
    const { failure, location } = exchanged;
    const status = exchanged.exchange.status;
    if (failure !== null || status === null) return { done, failure };
    const next =
      probe.maxRedirects === 0
        ? { kind: 'done' as const }
        : decideNext(request, status, location, probe.expectStatus);
    if (next.kind === 'done') return { done, failure: judge(probe, exchanged, status) };
    if (next.kind === 'broken') {
      return { done, failure: failureOf('http.protocol.error', 'receive', next.message) };
    }
    if (done.length > probe.maxRedirects) return { done, failure: tooManyRedirects(probe) };
    request = next.request;
  }
};

const firstRequest = ({ url, method, headers }: HttpProbe): Request => {
  const target = new URL(url);
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    url: target,
    shownUrl: showUrl(target),
    method,
    headers: {
      'user-agent': userAgent,
      accept: '*/*',
      // Bytes on the wire are what is counted and timed.
      'accept-encoding': 'identity',
      ...(method === 'POST' ? { 'content-length': '0' } : {}),
      ...(target.username === '' ? {} : { authorization: basicOf(target) }),
      ...Object.fromEntries(named),
    },
  };
};

const basicOf = ({ username, password }: URL): string => {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`;
};

const judge = (probe: HttpProbe, exchanged: Exchanged, status: number): Failure | null => {
  const isExpected =
    probe.expectStatus.length === 0
      ? status >= 200 && status <= 399
      : probe.expectStatus.includes(status);
  if (!isExpected) return classifyStatus(status);
  if (exchanged.hasText !== false) return null;
  return failureOf(
    'http.response.body_mismatch',
    'receive',
    `the expected text is not in the ${exchanged.exchange.bodyBytes} bytes of the answer`,
  );
};

const tooManyRedirects = ({ maxRedirects }: HttpProbe): Failure =>
  failureOf(
    'http.response.redirect_loop',
    'receive',
    `still redirected after ${maxRedirects} redirects`,
  );

const conclude = (
  probe: HttpProbe,
  { done, failure }: Followed,
  startedMs: number,
): Outcome<'http'> => ({
  durationMs: sinceMs(startedMs),
  availability: failure === null ? 1 : 0,
  failure,
  body: {
    url: URL.canParse(probe.url) ? showUrl(new URL(probe.url)) : '',
    method: probe.method,
    httpVersion: done.at(-1)?.httpVersion ?? null,
    exchanges: done.map(({ exchange }) => exchange),
    certificate: done.at(-1)?.certificate ?? null,
  },
});
