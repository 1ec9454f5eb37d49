import type { HttpBody } from '#contract/body/http.ts';
import type { Failure } from '#contract/failure.ts';
import type { HttpProbe } from '#contract/plan.ts';
import { classifyError, classifyStatus, failureOf } from '../classify.ts';
import { type Deadline, startDeadline } from '../deadline.ts';
import { sinceMs } from '../duration.ts';
import type { Outcome, ProbeContext, Prober } from '../probe.ts';
import { createNameResolver } from '../resolve.ts';
import { createTrust, type TrustContext } from '../trust.ts';
import { userAgent } from '../user-agent.ts';
import type { Request } from './conversation.ts';
import { type Exchanged, type ExchangeMeans, runExchange } from './exchange.ts';
import { firstRequest } from './first-request.ts';
import { decideNext, showUrl } from './redirect.ts';

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
      const trusted = trustFor(trust, context);
      const startedMs = performance.now();
      if (!trusted.ok) return conclude(probe, startedMs, notBegun(trusted.failure));
      if (!URL.canParse(probe.url)) return conclude(probe, startedMs, notBegun(badUrl));
      const deadline = startDeadline(context.signal, probe.timeoutMs);
      try {
        const means = gather(probe, context, deadline, trusted.context, options);
        const followed = await follow(probe, means);
        const outcome = conclude(probe, startedMs, followed);
        outcome.body.warm = await askAgain(followed, means);
        return outcome;
      } catch (error) {
        // What no network does: a header that cannot be sent.
        return conclude(probe, startedMs, notBegun(classifyError('prepare', error)));
      } finally {
        deadline.stop();
      }
    },
    stop: () => Promise.resolve(),
  };
};

/** Reading some 300 certificates, the first time: no part of the run. */
const trustFor = (
  trust: ReturnType<typeof createTrust>,
  { extraCa }: ProbeContext,
): { ok: true; context: TrustContext } | { ok: false; failure: Failure } => {
  try {
    return { ok: true, context: trust.contextFor(extraCa) };
  } catch (error) {
    const { message } = error as Error;
    return { ok: false, failure: failureOf('tls.context_failed', 'prepare', message) };
  }
};

const notBegun = (failure: Failure): Followed => ({ done: [], request: undefined, failure });

const badUrl = failureOf('probe.bad_url', 'prepare', 'the probe’s URL is no URL');

const gather = (
  probe: HttpProbe,
  context: ProbeContext,
  deadline: Deadline,
  trusted: TrustContext,
  options: HttpProberOptions,
): ExchangeMeans => ({
  deadline,
  userAgent,
  proxy: context.proxy,
  context: trusted,
  family: probe.family ?? 'any',
  version: probe.httpVersion ?? 'auto',
  keepsOpen: probe.warm ?? false,
  resolver: createNameResolver(options.nameServers ? { servers: options.nameServers } : {}),
  maxBodyBytes: probe.maxBodyBytes,
  searchText: probe.expectBody,
});

type Followed = { done: Exchanged[]; request: Request | undefined; failure: Failure | null };

/** One exchange after the other until an answer that is no redirect, or a failure. */
const follow = async (probe: HttpProbe, means: ExchangeMeans): Promise<Followed> => {
  const done: Exchanged[] = [];
  let request = firstRequest(probe, userAgent);
  for (;;) {
    const exchanged = await runExchange(request, means);
    done.push(exchanged);
    const next = step(probe, request, exchanged, done.length);
    if (next.kind === 'end') return { done, request, failure: next.failure };
    exchanged.conversation?.close();
    request = next.request;
  }
};

type Step = { kind: 'end'; failure: Failure | null } | { kind: 'follow'; request: Request };

const step = (probe: HttpProbe, request: Request, exchanged: Exchanged, count: number): Step => {
  const { failure, location, exchange } = exchanged;
  const { status } = exchange;
  if (failure !== null || status === null) return { kind: 'end', failure };
  const next =
    probe.maxRedirects === 0
      ? { kind: 'done' as const }
      : decideNext(request, status, location, probe.expectStatus);
  switch (next.kind) {
    case 'done':
      return { kind: 'end', failure: judge(probe, exchanged, status) };
    case 'broken':
      return { kind: 'end', failure: failureOf('http.protocol.error', 'receive', next.message) };
    case 'refused':
      return { kind: 'end', failure: failureOf('http.error', 'receive', next.message) };
    case 'follow':
      if (count > probe.maxRedirects) return { kind: 'end', failure: tooManyRedirects(probe) };
      return { kind: 'follow', request: next.request };
  }
};

/** The last request once more on its connection: whatever becomes of it, the run has ended. */
const askAgain = async (
  { done, request, failure }: Followed,
  means: ExchangeMeans,
): Promise<NonNullable<HttpBody['warm']> | null> => {
  const conversation = done.at(-1)?.conversation;
  if (conversation === undefined) return null;
  const answer =
    failure === null && request !== undefined ? await conversation.ask(request, means) : undefined;
  conversation.close();
  const { waitMs = null, receiveMs = null, status = null } = answer ?? {};
  return waitMs === null || receiveMs === null || status === null
    ? null
    : { waitMs, receiveMs, status };
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
  startedMs: number,
  { done, failure }: Followed,
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
    warm: null,
  },
});
