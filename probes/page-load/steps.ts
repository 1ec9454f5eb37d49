import type { Page } from 'puppeteer-core';
import type { PageStepResult } from '#contract/body/page-load.ts';
import type { PageStep } from '#contract/page-step.ts';
import { describeThere } from './describe-page.ts';
import type { Navigations } from './navigations.ts';
import { holds } from './pause.ts';
import type { Redactor } from './redact.ts';
import type { ResourceLog } from './resources.ts';
import { type BoundSecret, performStep } from './step-actions.ts';
import { BadStep, StepError } from './step-error.ts';

export type StepParts = {
  page: Page;
  resources: ResourceLog;
  navigations: Navigations;
  /** Of the whole run. */
  signal: AbortSignal;
  secret: (name: string) => BoundSecret;
  /** Told before a secret is typed. */
  onSecret: () => void;
  redactor: Redactor;
};

/** The first step that did not pass; `isBadStep`: as written no page can satisfy it. */
export type StepFailure = { number: number; step: PageStep; reason: string; isBadStep: boolean };

/** A click's navigation begins within this, or the click made none. */
const navigationGraceMs = 100;

/**
 * Does the steps in their order until one fails. `results` holds what came of them at any time, for
 * a run that is cut off in the midst. A step is over when what it did is done: a click that leads to
 * another page, when that has loaded.
 */
export const startSteps = (steps: readonly PageStep[], parts: StepParts) => {
  const results: PageStepResult[] = steps.map((step) => ({
    name: step.name,
    kind: step.type,
    selector: 'selector' in step ? (step.selector ?? null) : null,
    durationMs: 0,
    requestCount: 0,
    transferBytes: 0,
    outcome: 'skipped',
    failure: null,
  }));
  let underWay: number | undefined;

  const doAll = async (): Promise<StepFailure | undefined> => {
    for (const [index, step] of steps.entries()) {
      const result = results[index];
      if (result === undefined || parts.signal.aborted) return undefined;
      underWay = index;
      const reason = await doStep(step, parts, result);
      if (parts.signal.aborted) return undefined;
      underWay = undefined;
      if (reason === undefined) {
        result.outcome = 'passed';
        continue;
      }
      result.outcome = 'failed';
      result.failure = parts.redactor.start(reason.message, 300);
      const isBadStep = reason instanceof BadStep;
      return { number: index + 1, step, reason: reason.message, isBadStep };
    }
    return undefined;
  };

  return {
    ended: doAll(),
    results,
    /** Called when the run was over before the steps were: says which one was under way. */
    cutOff(): string | undefined {
      const result = underWay === undefined ? undefined : results[underWay];
      if (underWay === undefined || result === undefined) return undefined;
      result.outcome = 'failed';
      result.failure = 'the run’s time was over';
      return `step ${underWay + 1} “${result.name}” was under way`;
    },
  };
};

/** Undefined: it passed. */
const doStep = async (
  step: PageStep,
  parts: StepParts,
  result: PageStepResult,
): Promise<Error | undefined> => {
  const { resources, navigations } = parts;
  const startedMs = performance.now();
  const firstRequest = resources.count();
  const navigationCount = navigations.count();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), step.timeoutMs);
  const signal = AbortSignal.any([parts.signal, late.signal]);
  const measure = () => {
    result.durationMs = performance.now() - startedMs;
    result.requestCount = resources.count() - firstRequest;
    result.transferBytes = resources.bytesBetween(firstRequest, resources.count());
  };
  try {
    await performStep(step, { ...parts, signal });
    measure();
    if (!leadsOn.has(step.type)) return undefined;
    await followNavigation(navigations, signal, navigationCount);
    if (navigations.count() > navigationCount) measure();
    return badLanding(navigations, navigationCount);
  } catch (error) {
    measure();
    if (parts.signal.aborted) return error as Error;
    if (error instanceof BadStep || error instanceof StepError) return error as Error;
    return new Error(
      await describeThere(parts.page, step, error as Error, signal.aborted, parts.redactor),
    );
  } finally {
    clearTimeout(timer);
  }
};

/** What may lead to another page. */
const leadsOn = new Set<PageStep['type']>(['click', 'press', 'select', 'goto']);

const followNavigation = async (
  navigations: Navigations,
  signal: AbortSignal,
  countBefore: number,
): Promise<void> => {
  const grace = AbortSignal.any([signal, AbortSignal.timeout(navigationGraceMs)]);
  await holds(() => navigations.count() > countBefore, grace, 10);
  const isThere = await holds(() => !navigations.isLoading(), signal, 10);
  if (!isThere) throw new StepError('the page it led to did not finish loading');
};

const badLanding = (navigations: Navigations, countBefore: number): Error | undefined => {
  const status = navigations.status();
  if (navigations.count() === countBefore || status === null || status < 400) return undefined;
  return new StepError(`the page it led to answered with status ${status}`);
};
