import { artefactMediaTypes } from '#contract/artefact.ts';
import type { PageLoadBody } from '#contract/body/page-load.ts';
import type { Failure } from '#contract/failure.ts';
import type { PageLoadProbe } from '#contract/plan.ts';
import { type CutShort, classifyCutShort, classifyStatus, failureOf } from '#probes/classify.ts';
import { startDeadline } from '#probes/deadline.ts';
import type { ProbeLog } from '#probes/log.ts';
import type { Artefact, Outcome, ProbeContext, Prober } from '#probes/probe.ts';
import { createWarmBrowser, type LentBrowser, type WarmBrowser } from './browser.ts';
import { watchMemory } from './memory-watch.ts';
import { createRedactor, type Redactor } from './redact.ts';
import { maxPageBytes, withoutQuery } from './resources.ts';
import type { BoundSecret } from './step-actions.ts';
import type { StepFailure } from './steps.ts';
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
      if (measured?.visit?.isPictureWithheld === true) {
        const reason = 'a secret was typed in the run';
        log?.warn({ component: 'page-load', probe: probe.id, reason }, 'no picture of the page');
      }
      const artefacts = measured === undefined ? [] : artefactsOf(probe, measured);
      // Pictures and clearing up are ours, not the page's.
      const endedMs = measured?.visit?.measuredAtMs ?? performance.now();
      return {
        durationMs: Math.max(0, endedMs - startedMs),
        availability: failure === null ? 1 : 0,
        ...(measured?.redactor.deep({ failure, body }) ?? { failure, body }),
        ...(artefacts.length === 0 ? {} : { artefacts }),
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

type Measured = {
  lent: LentBrowser | { kind: 'no-secret'; names: string[] };
  visit: Visit | undefined;
  redactor: Redactor;
};

const measure = async (
  warmBrowser: WarmBrowser,
  probe: PageLoadProbe,
  context: ProbeContext,
  signal: AbortSignal,
): Promise<Measured> => {
  const { secrets, missing } = readSecrets(probe, context);
  const redactor = createRedactor([...secrets.values()].map(({ value }) => value));
  if (missing.length > 0) {
    return { lent: { kind: 'no-secret', names: missing }, visit: undefined, redactor };
  }
  const lent = await warmBrowser.borrow(context);
  if (lent.kind !== 'browser') return { lent, visit: undefined, redactor };
  const memory = watchMemory(lent.groupId, () => warmBrowser.kill());
  const seen = await visit(lent.browser, {
    probe,
    proxy: context.proxy,
    secrets,
    redactor,
    signal,
  }).finally(memory.stop);
  const finding =
    memory.finding() ?? (seen.end.kind === 'crashed' ? lent.crashFinding() : undefined);
  if (finding !== undefined) seen.end = { kind: 'crashed', message: finding };
  if (seen.isBrowserSpoilt || seen.end.kind === 'crashed') await warmBrowser.discard('spoilt');
  return { lent, visit: seen, redactor };
};

/** Half a log-in would be no measurement: nothing is begun before all its secrets are there. */
const readSecrets = ({ url, steps = [] }: PageLoadProbe, context: ProbeContext) => {
  const secrets = new Map<string, BoundSecret>();
  const missing: string[] = [];
  for (const step of steps) {
    if (step.type !== 'fill' || step.secret === undefined || secrets.has(step.secret)) continue;
    const secret = context.secrets?.(step.secret);
    if (secret === undefined) missing.push(step.secret);
    else secrets.set(step.secret, { origins: [originOf(url)], ...secret });
  }
  return { secrets, missing };
};

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : '');

const artefactsOf = (probe: PageLoadProbe, { lent, visit, redactor }: Measured): Artefact[] => {
  if (visit === undefined || lent.kind !== 'browser') return [];
  const { har, screenshot } = visit;
  const artefacts: Artefact[] = [];
  if (har !== undefined) {
    const archive = har.archive({
      url: visit.finalUrl ?? probe.url,
      browser: lent.version,
      milestones: visit.milestones,
      redactor,
    });
    const bytes = Buffer.from(JSON.stringify(redactor.deep(archive)));
    artefacts.push({ kind: 'har', mediaType: artefactMediaTypes.har, bytes });
  }
  if (screenshot !== undefined) {
    const mediaType = artefactMediaTypes.screenshot;
    artefacts.push({ kind: 'screenshot', mediaType, bytes: screenshot });
  }
  return artefacts;
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
  if (lent.kind === 'no-secret') {
    const message = `no secret named ${lent.names.join(', ')} on this device`;
    return { body, failure: failureOf('agent.secret_missing', 'prepare', message) };
  }
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
    : { body, failure: failureOfVisit(visit, cutShort, measured.redactor) };
};

/** Secrets go before the message is scrubbed and cut: what either leaves of one is not found again. */
const failureOfVisit = (
  { end, status }: Visit,
  cutShort: CutShort | undefined,
  { text }: Redactor,
): Failure | null => {
  switch (end.kind) {
    case 'cut-short':
      return end.step === undefined || cutShort === 'abandoned'
        ? classifyCutShort('render', cutShort ?? 'timed-out')
        : failureOf('browser.timed_out', 'render', text(`the run’s time was over: ${end.step}`));
    case 'looped': {
      const message = `the page sent itself on ${end.count} times by script`;
      return failureOf('http.response.redirect_loop', 'render', message);
    }
    case 'too-large': {
      const message = `the page loads more than ${maxPageBytes / 1e6} MB; the rest was not read`;
      return failureOf('http.response.too_large', 'render', message);
    }
    case 'step-failed':
      return failureOfStep(end.failure, text);
    case 'crashed':
      return failureOf('browser.crashed', 'render', text(end.message));
    case 'failed':
      return failureOf('browser.navigation_failed', 'render', text(end.message));
    case 'loaded':
      if (status === null) return null;
      if (!isStatus(status)) {
        return failureOf('http.protocol.error', 'wait', `the answer's status is ${status}`);
      }
      return status >= 400 ? classifyStatus(status) : null;
  }
};

const failureOfStep = (
  { number, step, reason, isBadStep }: StepFailure,
  text: Redactor['text'],
): Failure => {
  const selector = 'selector' in step && step.selector !== undefined ? ` (${step.selector})` : '';
  return failureOf(
    isBadStep ? 'probe.bad_config' : 'browser.step_failed',
    'render',
    text(`step ${number} “${step.name}”${selector} – ${reason}`),
  );
};

/** Chromium takes any number. */
const isStatus = (status: number): boolean => status >= 100 && status <= 999;

const bodyOf = (probe: PageLoadProbe, measured: Measured | undefined): PageLoadBody => {
  const visit = measured?.visit;
  const version = measured?.lent.kind === 'browser' ? measured.lent.version : null;
  const { documentTtfbMs, networkProblems, ...network } =
    measured?.visit?.resources.summary(
      measured.visit.finalUrl ?? probe.url,
      maxResources,
      measured.redactor,
    ) ?? nothingLoaded;
  const milestones = visit?.milestones;
  return {
    url: probe.url,
    finalUrl:
      measured?.visit?.finalUrl == null
        ? null
        : withoutQuery(measured.redactor.start(measured.visit.finalUrl, 4_000)),
    status: visit && visit.status !== null && isStatus(visit.status) ? visit.status : null,
    ttfbMs: milestones?.ttfbMs ?? documentTtfbMs,
    fcpMs: milestones?.fcpMs ?? null,
    lcpMs: milestones?.lcpMs ?? null,
    cls: milestones?.cls ?? null,
    domContentLoadedMs: milestones?.domContentLoadedMs ?? null,
    loadMs: milestones?.loadMs ?? null,
    totalBlockingMs: milestones?.totalBlockingMs ?? null,
    ...network,
    consoleErrorCount: visit?.problems.consoleCount() ?? 0,
    browser: version?.slice(0, 64) ?? null,
    navigation: visit?.navigation ?? null,
    longTasks: milestones?.longTasks ?? null,
    problems: visit?.problems.withNetwork(networkProblems) ?? [],
    ...(visit?.steps === undefined ? {} : { steps: visit.steps }),
  };
};

const nothingLoaded = {
  requestCount: 0,
  transferBytes: 0,
  failedRequestCount: 0,
  thirdPartyCount: 0,
  hosts: [],
  networkProblems: [],
  resources: [],
  documentTtfbMs: null,
};
