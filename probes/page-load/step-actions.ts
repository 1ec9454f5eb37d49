import type { Frame, KeyInput, Page } from 'puppeteer-core';
import type { PageStep } from '#contract/page-step.ts';
import { after, holds } from './pause.ts';
import { BadStep, StepError } from './step-error.ts';

type Parts = {
  page: Page;
  signal: AbortSignal;
  secret: (name: string) => BoundSecret;
  /** Told before a secret is typed. */
  onSecret: () => void;
};

/** A secret, and into whose pages alone it may be typed. */
export type BoundSecret = { value: string; origins: readonly string[] };

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
  if (secret !== undefined) return fillSecret(selector, secret, parts);
  if (value === undefined) throw new BadStep('neither value nor secret');
  await (await locate(selector, parts)).fill(value, { signal: parts.signal });
};

/**
 * Only into a document of an origin the secret is for: what is asked and what is typed go to the
 * same document, and end with it. Keys would go to whatever has the focus by then.
 */
const fillSecret = async (selector: string, name: string, parts: Parts): Promise<void> => {
  const { value, origins } = parts.secret(name);
  let stranger: string | undefined;
  const mayTake = (origin: string): boolean => {
    if (parts.signal.aborted || !origins.includes(origin)) return false;
    parts.onSecret();
    return true;
  };
  const isTyped = await holds(async () => {
    for (const frame of parts.page.frames()) {
      if (!(await hasElement(frame, selector))) continue;
      const origin = await typeInto(frame, selector, value, mayTake);
      if (origin === true) return true;
      if (origin !== undefined && !origins.includes(origin)) stranger = origin;
    }
    return false;
  }, parts.signal);
  if (isTyped) return;
  if (stranger === undefined) throw new Error('it could not be typed');
  throw new StepError(
    `not typed: the field is on a page of ${stranger}, and the secret ${name} is for ` +
      `${origins.join(', ')}; if that page may have it, name it in its \`origins\` in the secrets file`,
  );
};

/** True: typed. Otherwise the origin of the document, where it told one. */
const typeInto = async (
  frame: Frame,
  selector: string,
  value: string,
  mayTake: (origin: string) => boolean,
): Promise<true | string | undefined> => {
  const typing = async () => {
    const element = await frame.$(selector);
    if (element === null) return undefined;
    try {
      // No script can make `location` another: it is unforgeable (HTML, the Window object).
      const origin = await element.evaluate(() => location.origin);
      if (!(await element.evaluate(isReady)) || !mayTake(origin)) return origin;
      await element.evaluate(put, value);
      return true;
    } finally {
      await element.dispose().catch(() => {});
    }
  };
  const typed = await Promise.race([typing().catch(() => undefined), after(answerMs)]);
  return typed ?? undefined;
};

/** Compiled away from here, so it holds no functions of its own: see milestones.ts. */
const isReady = (element: Element): boolean => {
  const box = element.getBoundingClientRect();
  return (
    box.width > 0 &&
    box.height > 0 &&
    getComputedStyle(element).visibility === 'visible' &&
    !element.matches(':disabled, :read-only')
  );
};

/** By the setter of the class: one of the element's own is a framework's, which is told by the event. */
const put = (element: Element, value: string): void => {
  (element as HTMLElement).focus();
  const { set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(element), 'value') ?? {};
  if (set === undefined) element.textContent = value;
  else set.call(element, value);
  element.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true }));
  element.dispatchEvent(new Event('change', { bubbles: true }));
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
