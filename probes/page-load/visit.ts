import type { Browser, Page } from 'puppeteer-core';
import type { PageNavigation, PageStepResult } from '#contract/body/page-load.ts';
import type { PageLoadProbe } from '#contract/plan.ts';
import type { ProxyAddress } from '#probes/probe.ts';
import { createHarLog, type HarLog } from './har.ts';
import { type Milestones, noMilestones, parseMilestones, readScript } from './milestones.ts';
import { type Navigations, watchNavigations } from './navigations.ts';
import { type OpenPage, openPage } from './open-page.ts';
import { after } from './pause.ts';
import { createProblemLog, type ProblemLog } from './problems.ts';
import type { Redactor } from './redact.ts';
import { createResourceLog, type ResourceLog } from './resources.ts';
import { takeScreenshot } from './screenshot.ts';
import type { BoundSecret } from './step-actions.ts';
import { type StepFailure, startSteps } from './steps.ts';

/** How a visit ended. `failed` carries Chromium's own net:: error. */
type VisitEnd =
  | { kind: 'loaded' }
  | { kind: 'cut-short'; step?: string }
  | { kind: 'failed'; message: string }
  | { kind: 'looped'; count: number }
  /** It was to get more bytes than a page may. */
  | { kind: 'too-large' }
  | { kind: 'step-failed'; failure: StepFailure }
  | { kind: 'crashed'; message: string };

export type Visit = {
  end: VisitEnd;
  milestones: Milestones;
  navigation: PageNavigation | null;
  resources: ResourceLog;
  har: HarLog | undefined;
  problems: ProblemLog;
  steps: PageStepResult[] | undefined;
  status: number | null;
  finalUrl: string | null;
  screenshot: Buffer | undefined;
  isSecretTyped: boolean;
  /** There would have been a picture, had no secret been typed. */
  isPictureWithheld: boolean;
  /** When all was measured; pictures and clearing up come after it. */
  measuredAtMs: number;
  /** The browser did not give the context back: it is not to be used again. */
  isBrowserSpoilt: boolean;
};

export type VisitOptions = {
  probe: Pick<PageLoadProbe, 'url' | 'steps' | 'har' | 'screenshot'>;
  proxy: ProxyAddress | undefined;
  /** By name; all that the steps need are in it. */
  secrets: ReadonlyMap<string, BoundSecret>;
  /** Takes them out of what the page says, before it is cut. */
  redactor: Redactor;
  /** Aborted when the time for loading is over; reading what was measured comes after it. */
  signal: AbortSignal;
};

/** How long the network must be quiet after load, and how long that is waited for at most. */
const quietMs = 250;
const maxSettleMs = 1_000;
/** A page that loaded will answer, on a busy device late; one that did not may never. */
const readTimeoutMs = { loaded: 2_000, otherwise: 500 } as const;
const closeTimeoutMs = 1_500;

/** Loads the page once in a context of its own: nothing cached, no cookies, no warm connections. */
export const visit = async (browser: Browser, options: VisitOptions): Promise<Visit> => {
  const seen = beginVisit(options);
  const ended = endOf(browser, options.signal);
  let opened: OpenPage | undefined;
  try {
    const opening = openPage(browser, {
      proxy: options.proxy,
      network: [seen.resources, ...(seen.har === undefined ? [] : [seen.har])],
      console: seen.problems,
    });
    opening.catch(() => {});
    const first = await Promise.race([opening, ended.first]);
    if ('kind' in first) {
      seen.end = first;
      seen.isBrowserSpoilt = true;
      return seen;
    }
    opened = first;
    await use(opened, options, seen, ended);
  } catch (error) {
    seen.end = browser.connected
      ? { kind: 'failed', message: (error as Error).message }
      : { kind: 'crashed', message: 'the browser ended' };
  } finally {
    ended.stop();
    freeze(seen);
    // Killed at once: a context takes its time to close, in which the page goes on loading.
    if (seen.end.kind === 'too-large') seen.isBrowserSpoilt = true;
    else if (opened !== undefined) seen.isBrowserSpoilt ||= !(await closes(opened));
  }
  return seen;
};

const beginVisit = ({ probe, redactor }: VisitOptions): Visit => ({
  end: { kind: 'cut-short' },
  milestones: noMilestones,
  navigation: null,
  resources: createResourceLog(),
  har: probe.har === true ? createHarLog() : undefined,
  problems: createProblemLog(redactor),
  steps: undefined,
  status: null,
  finalUrl: null,
  screenshot: undefined,
  isSecretTyped: false,
  isPictureWithheld: false,
  measuredAtMs: performance.now(),
  isBrowserSpoilt: false,
});

const freeze = (seen: Visit): void => {
  seen.resources.freeze();
  seen.har?.freeze();
};

type Ends = ReturnType<typeof endOf>;

/** Load, read, do the steps, take the picture: each ended early by what ends a visit. */
const use = async (
  opened: OpenPage,
  options: VisitOptions,
  seen: Visit,
  ended: Ends,
): Promise<void> => {
  const { page } = opened;
  const { steps } = options.probe;
  const navigations = watchNavigations(page);
  const crashed = crashOf(page);
  const looped = navigations.looped.then((count): VisitEnd => ({ kind: 'looped', count }));
  const tooLarge = seen.resources.exceeded.then((): VisitEnd => ({ kind: 'too-large' }));
  seen.end = await Promise.race([ended.first, crashed, looped, tooLarge, load(page, options)]);
  if (seen.end.kind === 'loaded') {
    // Chromium calls a page loaded just before it says that its process has crashed.
    const settled = settle(seen.resources, options.signal).then(() => seen.end);
    seen.end = await Promise.race([crashed, looped, tooLarge, ended.gone, settled]);
  }
  const goesOn = seen.end.kind === 'loaded' && (navigations.status() ?? 0) < 400 && steps;
  if (!goesOn) freeze(seen);
  seen.navigation = seen.resources.navigation();
  const answers = seen.end.kind !== 'crashed' && (await read(page, seen));
  if (goesOn) {
    const onSecret = () => {
      seen.isSecretTyped = true;
    };
    seen.end = await doSteps(opened, options, seen, {
      navigations,
      onSecret,
      stops: [ended.first, crashed, looped, tooLarge],
    });
    freeze(seen);
  }
  seen.status = navigations.status();
  seen.finalUrl = navigations.url();
  seen.measuredAtMs = performance.now();
  // There are more ways to show a text than anyone could search for it.
  seen.isPictureWithheld = seen.isSecretTyped && wantsPicture(options, seen);
  if (!seen.isSecretTyped && wantsPicture(options, seen)) {
    const taking = takeScreenshot(page, opened.session, answers);
    seen.screenshot = (await Promise.race([taking, ended.gone.then(() => undefined)])) ?? undefined;
  }
};

const wantsPicture = ({ probe }: VisitOptions, { end, status }: Visit): boolean => {
  // A renderer that has ended draws nothing; a page that was too large would go on loading.
  if (end.kind === 'crashed' || end.kind === 'too-large') return false;
  if (probe.screenshot === 'never') return false;
  return probe.screenshot === 'always' || end.kind !== 'loaded' || (status ?? 0) >= 400;
};

const doSteps = async (
  { page }: OpenPage,
  { probe, secrets, redactor, signal }: VisitOptions,
  seen: Visit,
  parts: {
    navigations: Navigations;
    onSecret: () => void;
    stops: Promise<VisitEnd>[];
  },
): Promise<VisitEnd> => {
  const ending = new AbortController();
  const steps = startSteps(probe.steps ?? [], {
    page,
    resources: seen.resources,
    navigations: parts.navigations,
    signal: AbortSignal.any([signal, ending.signal]),
    secret: (name) => secrets.get(name) ?? { value: '', origins: [] },
    onSecret: parts.onSecret,
    redactor,
  });
  seen.steps = steps.results;
  const done = steps.ended.then(
    (failure): VisitEnd =>
      failure === undefined
        ? { kind: signal.aborted ? 'cut-short' : 'loaded' }
        : { kind: 'step-failed', failure },
  );
  done.catch(() => {});
  const end = await Promise.race([...parts.stops, done]);
  const step = end.kind === 'loaded' || end.kind === 'step-failed' ? undefined : steps.cutOff();
  ending.abort();
  // What a step that was cut off may still write is not this visit's any more.
  seen.steps = structuredClone(steps.results);
  return end.kind === 'cut-short' && step !== undefined ? { ...end, step } : end;
};

/** What ends a visit from outside: `gone` the browser did, `first` that or the time is over. */
const endOf = (browser: Browser, signal: AbortSignal) => {
  let onGone = () => {};
  let onAbort = () => {};
  const gone = new Promise<VisitEnd>((resolve) => {
    onGone = () => resolve({ kind: 'crashed', message: 'the browser ended' });
    browser.on('disconnected', onGone);
    if (!browser.connected) onGone();
  });
  const cut = new Promise<VisitEnd>((resolve) => {
    onAbort = () => resolve({ kind: 'cut-short' });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  return {
    gone,
    first: Promise.race([gone, cut]),
    stop(): void {
      signal.removeEventListener('abort', onAbort);
      browser.off('disconnected', onGone);
    },
  };
};

const crashOf = (page: Page): Promise<VisitEnd> =>
  new Promise((resolve) => {
    page.on('error', (error) => resolve({ kind: 'crashed', message: error.message }));
  });

const load = async (page: Page, { probe, signal }: VisitOptions): Promise<VisitEnd> => {
  try {
    await page.goto(probe.url, { waitUntil: 'load', timeout: 0 });
    return { kind: 'loaded' };
  } catch (error) {
    const message = (error as Error).message;
    if (signal.aborted) return { kind: 'cut-short' };
    if (message.includes('net::ERR_ABORTED')) {
      return { kind: 'failed', message: `a download or nothing at all, no page: ${message}` };
    }
    return /net::|Navigat|invalid URL/i.test(message)
      ? { kind: 'failed', message }
      : { kind: 'crashed', message };
  }
};

/** The largest paint is known only once what came late has been painted. */
const settle = async (resources: ResourceLog, signal: AbortSignal): Promise<void> => {
  const startedMs = performance.now();
  while (!signal.aborted && performance.now() - startedMs < maxSettleMs) {
    if (resources.isQuietFor(quietMs) && performance.now() - startedMs >= quietMs) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

/** A page whose script never ends does not answer either: it is not waited for. */
const read = async (page: Page, seen: Visit): Promise<boolean> => {
  const limitMs = seen.end.kind === 'loaded' ? readTimeoutMs.loaded : readTimeoutMs.otherwise;
  const reading = page.evaluate(readScript).catch(() => null);
  const value = await Promise.race([reading, after(limitMs)]);
  seen.milestones = parseMilestones(value);
  return value !== null;
};

const closes = ({ context }: OpenPage): Promise<boolean> =>
  Promise.race([
    context.close().then(
      () => true,
      () => false,
    ),
    after(closeTimeoutMs).then(() => false),
  ]);
