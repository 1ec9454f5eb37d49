import type { PageLoadBody } from '#contract/body/page-load.ts';
import type { Failure } from '#contract/failure.ts';
import type { PageLoadProbe } from '#contract/plan.ts';
import { type CutShort, classifyCutShort, classifyStatus, failureOf } from '#probes/classify.ts';
import { startDeadline } from '#probes/deadline.ts';
import type { ProbeLog } from '#probes/log.ts';
import type { Outcome, ProbeContext, Prober } from '#probes/probe.ts';
import { createWarmBrowser, type LentBrowser, type WarmBrowser } from './browser.ts';
import { withoutQuery } from './resources.ts';
import { type Visit, visit } from './visit.ts';

/** Part of the timeout kept for reading what was measured and for clearing up. */
const readingShare = 0.1;
const maxReadingMs = 1_000;
const maxResources = 50;

/** Loads a page in an installed Chrome, Chromium or Edge, kept warm between runs. */
export const createPageLoadProber = ({ log }: { log?: ProbeLog } = {}): Prober<'page-load'> => {
  const warmBrowser = createWarmBrowser(log === undefined ? {} : { log });
  const stopping = new AbortController();
  let last: Promise<unknown> = Promise.resolve();

  return {
    type: 'page-load',
    async run(probe, context) {
      const startedMs = performance.now();
      const reserveMs = Math.min(maxReadingMs, probe.timeoutMs * readingShare);
      const ended = AbortSignal.any([context.signal, stopping.signal]);
      const deadline = startDeadline(ended, probe.timeoutMs - reserveMs);
      // One at a time: two pages in one browser would slow each other down.
      const turn = last.then(() =>
        deadline.signal.aborted ? undefined : measure(warmBrowser, probe, context, deadline.signal),
      );
      last = turn.catch(() => {});
      const measured = await turn.finally(deadline.stop);
      const { body, failure } = judge(probe, measured, deadline.cutShort());
      return {
        durationMs: performance.now() - startedMs,
        availability: failure === null ? 1 : 0,
        failure,
        body,
      } satisfies Outcome<'page-load'>;
    },
    async stop() {
      stopping.abort();
      const stopped = last.then(() => warmBrowser.discard('stopped'));
      last = stopped.catch(() => {});
      await stopped;
    },
  };
};

type Measured = { lent: LentBrowser; visit: Visit | undefined };

const measure = async (
  warmBrowser: WarmBrowser,
  probe: PageLoadProbe,
  context: ProbeContext,
  signal: AbortSignal,
): Promise<Measured> => {
  const lent = await warmBrowser.borrow(context);
  if (lent.kind !== 'browser') return { lent, visit: undefined };
  const seen = await visit(lent.browser, { url: probe.url, proxy: context.proxy, signal });
  if (seen.isBrowserSpoilt || seen.end.kind === 'crashed') await warmBrowser.discard('spoilt');
  return { lent, visit: seen };
};

const judge = (
  probe: PageLoadProbe,
  measured: Measured | undefined,
  cutShort: CutShort | undefined,
): { body: PageLoadBody; failure: Failure | null } => {
  const body = bodyOf(probe, measured);
  if (measured === undefined) {
    const failure =
      cutShort === 'abandoned'
        ? classifyCutShort('prepare', cutShort)
        : failureOf('agent.overrun', 'prepare', 'another page was still being loaded');
    return { body, failure };
  }
  const { lent, visit } = measured;
  if (lent.kind === 'missing') {
    return { body, failure: failureOf('browser.missing', 'prepare', lent.message) };
  }
  if (lent.kind === 'crashed') {
    return { body, failure: failureOf('browser.crashed', 'prepare', lent.message) };
  }
  if (visit === undefined) return { body, failure: null };
  const isOurOmission =
    lent.untrusted !== undefined &&
    visit.end.kind === 'failed' &&
    visit.end.message.includes('ERR_CERT_AUTHORITY_INVALID');
  return isOurOmission
    ? { body, failure: failureOf('browser.ca_not_trusted', 'prepare', lent.untrusted ?? '') }
    : { body, failure: failureOfVisit(visit, cutShort) };
};

const failureOfVisit = ({ end, status }: Visit, cutShort: CutShort | undefined): Failure | null => {
  switch (end.kind) {
    case 'cut-short':
      return classifyCutShort('render', cutShort ?? 'timed-out');
    case 'crashed':
      return failureOf('browser.crashed', 'render', end.message);
    case 'failed':
      return failureOf('browser.navigation_failed', 'render', end.message);
    case 'loaded':
      if (status === null) return null;
      if (!isStatus(status)) {
        return failureOf('http.protocol.error', 'wait', `the answer's status is ${status}`);
      }
      return status >= 400 ? classifyStatus(status) : null;
  }
};

/** Chromium takes any number. */
const isStatus = (status: number): boolean => status >= 100 && status <= 999;

const bodyOf = (probe: PageLoadProbe, measured: Measured | undefined): PageLoadBody => {
  const visit = measured?.visit;
  const version = measured?.lent.kind === 'browser' ? measured.lent.version : null;
  const empty = {
    requestCount: 0,
    transferBytes: 0,
    failedRequestCount: 0,
    thirdPartyCount: 0,
    resources: [],
    documentTtfbMs: null,
  };
  const { documentTtfbMs, ...network } =
    visit?.resources.summary(visit.finalUrl ?? probe.url, maxResources) ?? empty;
  const milestones = visit?.milestones;
  return {
    url: probe.url,
    finalUrl: visit?.finalUrl == null ? null : withoutQuery(visit.finalUrl),
    status: visit && visit.status !== null && isStatus(visit.status) ? visit.status : null,
    ttfbMs: milestones?.ttfbMs ?? documentTtfbMs,
    fcpMs: milestones?.fcpMs ?? null,
    lcpMs: milestones?.lcpMs ?? null,
    cls: milestones?.cls ?? null,
    domContentLoadedMs: milestones?.domContentLoadedMs ?? null,
    loadMs: milestones?.loadMs ?? null,
    totalBlockingMs: milestones?.totalBlockingMs ?? null,
    ...network,
    consoleErrorCount: visit?.consoleErrorCount ?? 0,
    browser: version?.slice(0, 64) ?? null,
  };
};
