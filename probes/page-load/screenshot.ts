import type { CDPSession, Page } from 'puppeteer-core';
import { after } from './pause.ts';

export const maxScreenshotBytes = 300_000;
/** A page that answers is drawn, on a busy device late; one that does not is not waited for long. */
const limitMs = { answers: 3_000, otherwise: 500 } as const;

/** From good to barely readable, until it is small enough. */
const qualities = [
  { quality: 70, scale: 1 },
  { quality: 35, scale: 1 },
  { quality: 35, scale: 0.5 },
] as const;

/** What was typed on the page that must not be read from its picture, and on whose pages. */
export type TypedSecrets = { values: readonly string[]; origins: ReadonlySet<string> };

/** What a person would see of the page, as JPEG; undefined where the page gives none in time. */
export const takeScreenshot = (
  page: Page,
  session: CDPSession,
  typed: TypedSecrets,
  answers: boolean,
): Promise<Buffer | undefined> =>
  Promise.race([
    take(page, session, typed).catch(() => undefined),
    after(answers ? limitMs.answers : limitMs.otherwise).then(() => undefined),
  ]);

const take = async (
  page: Page,
  session: CDPSession,
  typed: TypedSecrets,
): Promise<Buffer | undefined> => {
  // Where fields cannot be blanked, as in a page whose script never ends, there is no picture.
  if (typed.values.length > 0) await blankFields(page, typed);
  const { width, height } = page.viewport() ?? { width: 1366, height: 768 };
  for (const { quality, scale } of qualities) {
    const { data } = await session.send('Page.captureScreenshot', {
      format: 'jpeg',
      quality,
      optimizeForSpeed: true,
      ...(scale === 1 ? {} : { clip: { x: 0, y: 0, width, height, scale } }),
    });
    const bytes = Buffer.from(data, 'base64');
    if (bytes.length <= maxScreenshotBytes) return bytes;
  }
  return undefined;
};

/**
 * A secret was typed somewhere on this page: every field of every frame is made unreadable, by a
 * style, which what the page draws anew gets as well. Texts that hold it are blanked in frames of
 * those who were given it; no one else is told it by this.
 */
const blankFields = async (page: Page, { values, origins }: TypedSecrets): Promise<void> => {
  await Promise.all(
    page
      .frames()
      .map((frame) =>
        frame.evaluate(blankScript(origins.has(originOf(frame.url())) ? values : [])),
      ),
  );
};

export const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : '');

/** A text, not a function: see milestones.ts. */
const blankScript = (secrets: readonly string[]): string => `(() => {
  const secrets = ${JSON.stringify(secrets)};
  const style = 'input, textarea, select, [contenteditable] { color: transparent !important; ' +
    '-webkit-text-fill-color: transparent !important; text-shadow: none !important; ' +
    'caret-color: transparent !important; }';
  const blank = (root) => {
    const sheet = document.createElement('style');
    sheet.textContent = style;
    (root.head ?? root.documentElement ?? root).append(sheet);
    try {
      const own = new CSSStyleSheet();
      own.replaceSync(style);
      root.adoptedStyleSheets = [...root.adoptedStyleSheets, own];
    } catch {}
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const node = texts.currentNode;
      if (secrets.some((one) => node.data.includes(one))) node.data = '•••';
    }
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) blank(element.shadowRoot);
    }
  };
  blank(document);
})()`;
