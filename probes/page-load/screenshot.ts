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

/** What a person would see of the page, as JPEG – not for one that was told a secret; undefined where the page gives none in time. */
export const takeScreenshot = (
  page: Page,
  session: CDPSession,
  answers: boolean,
): Promise<Buffer | undefined> =>
  Promise.race([
    take(page, session).catch(() => undefined),
    after(answers ? limitMs.answers : limitMs.otherwise).then(() => undefined),
  ]);

const take = async (page: Page, session: CDPSession): Promise<Buffer | undefined> => {
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
