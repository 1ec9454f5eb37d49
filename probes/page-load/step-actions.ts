import type { Frame, KeyInput, Page } from 'puppeteer-core';
import type { PageStep } from '#contract/page-step.ts';
import { after, holds } from './pause.ts';
import { originOf } from './screenshot.ts';
import { BadStep, StepError } from './step-error.ts';

type Parts = {
  page: Page;
  signal: AbortSignal;
  secret: (name: string) => string;
  onSecret: (value: string, origin: string) => void;
};

/** Does what the step says; throws where it could not, or when the signal comes. */
export const performStep = async (step: PageStep, parts: Parts): Promise<void> => {
  const { page, signal } = parts;
  switch (step.type) {
    case 'goto':
      await page.goto(step.url, { waitUntil: 'load', timeout: 0, signal });
      return;
    case 'click':
      return (await locate(step.selector, parts)).click({ signal });
    case 'fill':
      return fill(step, parts);
    case 'press':
      await page.keyboard.press(step.key as KeyInput);
      return;
    case 'select':
      return choose(step, parts);
    case 'wait':
    case 'expect':
      return waitFor(step, parts);
  }
};

/** The signal is the only limit. A locator waits until the element can be used, and tries again. */
const locate = async (selector: string, parts: Parts) => {
  const frame = await frameWith(selector, parts);
  return frame.locator(selector).setTimeout(0);
};

/** The frame that has it: log-ins often live in frames of others. */
const frameWith = async (selector: string, { page, signal }: Parts): Promise<Frame> => {
  let found: Frame | undefined;
  await holds(async () => {
    for (const frame of page.frames()) {
      if (await hasElement(frame, selector)) {
        found = frame;
        return true;
      }
    }
    return false;
  }, signal);
  if (found === undefined) throw new Error('no such element');
  return found;
};

/** A frame whose script never ends does not answer. */
const answerMs = 1_000;

const hasElement = async (frame: Frame, selector: string): Promise<boolean> => {
  const looking = frame.$(selector).then(
    async (element) => {
      await element?.dispose().catch(() => {});
      return element !== null;
    },
    (error: Error) => {
      // The browser's own words; what is left is a frame that went away meanwhile.
      if (/is not a valid (selector|XPath)|SyntaxError/i.test(`${error.name} ${error.message}`)) {
        throw new BadStep(`the browser does not take the selector ${selector}`);
      }
      return false;
    },
  );
  return (await Promise.race([looking, after(answerMs)])) ?? false;
};

const fill = async (step: Extract<PageStep, { type: 'fill' }>, parts: Parts): Promise<void> => {
  const { selector, value, secret } = step;
  if (value === undefined && secret === undefined) throw new BadStep('neither value nor secret');
  const frame = await frameWith(selector, parts);
  const text = value ?? parts.secret(secret ?? '');
  if (secret !== undefined) parts.onSecret(text, originOf(frame.url()));
  await frame.locator(selector).setTimeout(0).fill(text, { signal: parts.signal });
};

const choose = async (
  { selector, value }: Extract<PageStep, { type: 'select' }>,
  parts: Parts,
): Promise<void> => {
  const frame = await frameWith(selector, parts);
  const element = await frame.waitForSelector(selector, {
    visible: true,
    timeout: 0,
    signal: parts.signal,
  });
  const chosen = (await element?.select(value)) ?? [];
  if (!chosen.includes(value)) throw new StepError(`it has no option of value ${value}`);
};

const waitFor = async (
  step: Extract<PageStep, { type: 'wait' | 'expect' }>,
  parts: Parts,
): Promise<void> => {
  const { page, signal } = parts;
  const { selector, url, text } = step;
  if (selector !== undefined) {
    const frame = await frameWith(selector, parts);
    await frame.waitForSelector(selector, { visible: true, timeout: 0, signal });
    return;
  }
  if (url === undefined && text === undefined) throw new BadStep('nothing to wait for');
  const isThere = await holds(
    () => (url === undefined ? hasText(page, text ?? '') : matchesUrl(url, page.url())),
    signal,
  );
  if (!isThere) throw new Error('it did not come');
};

/** A page chooses its address, and its length: what is looked at is bounded. */
const maxUrlLength = 2_048;

/** Within the address; `*` stands for anything. No pattern: those take a page's time squared. */
export const matchesUrl = (wanted: string, url: string): boolean => {
  const within = url.slice(0, maxUrlLength);
  let from = 0;
  for (const part of wanted.split('*')) {
    const at = within.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
};

const hasText = async (page: Page, text: string): Promise<boolean> => {
  const script = `(document.body?.innerText ?? '').includes(${JSON.stringify(text)})`;
  const looks = page
    .frames()
    .map((frame) => Promise.race([frame.evaluate(script).catch(() => false), after(answerMs)]));
  return (await Promise.all(looks)).includes(true);
};
