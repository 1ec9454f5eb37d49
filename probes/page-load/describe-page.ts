import type { Page } from 'puppeteer-core';
import type { PageStep } from '#contract/page-step.ts';
import { after } from './pause.ts';
import type { Redactor } from './redact.ts';
import { withoutQuery } from './resources.ts';

/** A page that does not answer is said to be that. */
const limitMs = 1_000;

/** Why a step failed: what was there instead of what it looked for. */
export const describeThere = async (
  page: Page,
  step: PageStep,
  error: Error,
  isLate: boolean,
  { text, start }: Redactor,
): Promise<string> => {
  const seconds = `within ${(step.timeoutMs / 1_000).toFixed(1)} s`;
  const place = await describePlace(page, start);
  if (step.type === 'goto') {
    return isLate ? `the page did not load ${seconds}` : text(error.message);
  }
  if ('selector' in step && step.selector !== undefined) {
    const state = await stateOf(page, step.selector);
    return isLate
      ? `${start(state, 120)} ${seconds}; ${place}`
      : `${text(error.message)}; ${start(state, 120)}; ${place}`;
  }
  if ('text' in step && step.text !== undefined) {
    return `the text “${step.text.slice(0, 80)}” did not appear ${seconds}; ${place}`;
  }
  if ('url' in step && step.url !== undefined) {
    return `the address did not become “${withoutQuery(step.url).slice(0, 80)}” ${seconds}; ${place}`;
  }
  return `${text(error.message)}; ${place}`;
};

const describePlace = async (page: Page, start: Redactor['start']): Promise<string> => {
  const title = await Promise.race([page.title().catch(() => null), after(limitMs)]);
  const at = withoutQuery(start(page.url(), 4_000)).slice(0, 120);
  return title === null
    ? `the page at ${at} does not answer`
    : `the page is “${start(title, 60)}” at ${at}`;
};

const stateOf = async (page: Page, selector: string): Promise<string> => {
  const frames = page.frames();
  for (const frame of frames) {
    const element = await Promise.race([frame.$(selector).catch(() => null), after(limitMs)]);
    if (element === null) continue;
    const state = await Promise.race([element.evaluate(look).catch(() => null), after(limitMs)]);
    return state ?? 'the element was there and went away';
  }
  return 'nothing matched the selector';
};

/** Compiled away from here, so it holds no functions of its own: see milestones.ts. */
const look = (element: Element): string => {
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.height === 0) return 'the element was there but hidden';
  if (getComputedStyle(element).visibility !== 'visible') return 'the element was there but hidden';
  if (element.matches(':disabled')) return 'the element was there but disabled';
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const top = document.elementFromPoint(x, y);
  if (top === null || element.contains(top) || top.contains(element)) {
    return 'the element was there but could not be used';
  }
  const id = top.id === '' ? '' : `#${top.id}`;
  return `the element was there but covered by ${top.tagName.toLowerCase()}${id}`.slice(0, 20_000);
};
