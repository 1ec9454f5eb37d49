import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, launch, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedDevices } from '#test/support/seed.ts';
import { seedIncidentIds } from '#test/support/seed-verdicts.ts';
import { type RunningPages, startPages } from '#test/support/seeded-pages.ts';

const [anna, , , hostile] = seedDevices;
const shown = {
  applications: '/',
  application: '/applications/sales',
  devices: '/devices',
  device: `/devices/${anna.id}`,
  'answer-server': `/devices/${anna.id}/applications/sales`,
  'answer-path': `/devices/${anna.id}/applications/files`,
  'answer-failing': `/devices/${anna.id}/applications/video`,
  'answer-hostile': `/devices/${hostile.id}/applications/odd`,
  incidents: '/incidents',
  'shared-incident': `/incidents/shared/${seedIncidentIds.over}`,
  edges: '/edges',
} as const;
const sizes = { phone: { width: 390, height: 844 }, laptop: { width: 1280, height: 800 } } as const;

let pages: RunningPages;
let browser: Browser;
let profile: string;

beforeAll(async () => {
  profile = await mkdtemp(join(tmpdir(), 'whyslow-browser-'));
  [pages, browser] = await Promise.all([
    startPages(),
    launch({
      executablePath: process.env['WHYSLOW_BROWSER'] ?? '/usr/bin/chromium',
      userDataDir: profile,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    }),
  ]);
}, 90_000);
afterAll(async () => {
  await browser.close();
  await pages.stop();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});

/** A page, and everything its browser complained about. */
const open = async (path: string, size: keyof typeof sizes = 'laptop') => {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  await page.setViewport(sizes[size]);
  await page.goto(`${pages.url}${path}`, { waitUntil: 'networkidle0' });
  return { page, complaints };
};

const screenshot = async (page: Page, name: string): Promise<void> => {
  const folder = process.env['WHYSLOW_SHOTS'];
  if (folder !== undefined)
    await page.screenshot({ path: join(folder, `${name}.png`) as `${string}.png`, fullPage: true });
};

describe.each(Object.keys(sizes) as (keyof typeof sizes)[])('on a %s', (size) => {
  test.each(Object.entries(shown))(
    '%s breaks no policy, logs no error and does not scroll sideways',
    async (name, path) => {
      const { page, complaints } = await open(path, size);
      const { wide, narrow } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        narrow: document.documentElement.clientWidth,
      }));
      await screenshot(page, `${name}-${size}`);
      expect(complaints).toEqual([]);
      expect(wide).toBeLessThanOrEqual(narrow);
      await page.close();
    },
  );
});

describe('in a browser', () => {
  test('charts are drawn', async () => {
    const { page } = await open(shown['answer-server']);
    const painted = await page.$$eval('[data-plot] canvas', (canvases) =>
      canvases.map((canvas) => {
        const context = (canvas as HTMLCanvasElement).getContext('2d') as CanvasRenderingContext2D;
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        const colors = new Set<number>();
        for (let i = 0; i < data.length; i += 4)
          if (data[i + 3] === 255)
            colors.add(((data[i] ?? 0) << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0));
        return colors.size;
      }),
    );
    expect(painted.length).toBeGreaterThanOrEqual(4);
    for (const colors of painted) expect(colors).toBeGreaterThan(1);
    await page.close();
  });

  test('the search answers while one types, and also finds what was not listed', async () => {
    const { page } = await open('/');
    const names = () =>
      page.$$eval('#devices > li', (rows) =>
        rows.filter((row) => !(row as HTMLElement).hidden).map((row) => row.dataset['name']),
      );
    expect(await names()).toHaveLength(4);
    await page.type('#q', 'ben');
    expect(await names()).toEqual(['ben-desktop']);
    await page.waitForFunction(() => location.search === '?q=ben');
    await page.waitForFunction(() => document.querySelectorAll('#devices > li').length === 1);
    await page.evaluate(() => (document.querySelector('#q') as HTMLInputElement).select());
    await page.keyboard.press('Backspace');
    await page.waitForFunction(() => document.querySelectorAll('#devices > li').length === 4);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('q');
    await page.close();
  });

  test('a refresh brings what is new and keeps charts, focus and open details', async () => {
    const { page, complaints } = await open(shown['answer-server']);
    await page.evaluate(() => {
      const details = document.querySelector('details') as HTMLDetailsElement;
      details.open = true;
      details.querySelector('summary')?.focus();
      const canvas = document.querySelector('[data-plot] canvas') as HTMLCanvasElement;
      canvas.dataset['mine'] = 'yes';
    });
    const before = pages.clock.nowMs;
    pages.clock.nowMs = before + 40 * 60_000;
    try {
      await page.waitForFunction(
        () => document.body.textContent?.includes('Last known 40 min ago'),
        { timeout: 30_000 },
      );
      expect(
        await page.evaluate(() => ({
          open: document.querySelector('details')?.open,
          focused: document.activeElement?.localName,
          mine: document.querySelectorAll('[data-mine]').length,
        })),
      ).toEqual({ open: true, focused: 'summary', mine: 1 });
      expect(complaints).toEqual([]);
    } finally {
      pages.clock.nowMs = before;
    }
    await page.close();
  });

  test('updates stop when one pauses them', async () => {
    const { page } = await open('/');
    await page.click('#live-pause');
    expect(await page.$eval('#live-pause', (button) => button.textContent)).toBe('Resume updates');
    let asked = 0;
    page.on('request', () => {
      asked += 1;
    });
    await new Promise((resume) => setTimeout(resume, 6_000));
    expect(asked).toBe(0);
    await page.close();
  });

  test('works without scripts: links, search and tables', async () => {
    const page = await browser.newPage();
    await page.setJavaScriptEnabled(false);
    await page.goto(`${pages.url}/`);
    await page.type('#q', 'chloe');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    expect(page.url()).toContain('?q=chloe');
    expect(await page.content()).toContain('chloe-laptop');
    await page.close();
  });

  test('dark and light both have readable text', async () => {
    const { page } = await open(shown['answer-server']);
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await screenshot(page, `answer-server-${scheme}`);
      const contrasts = await page.evaluate(contrastOfTexts);
      expect(Math.min(...contrasts)).toBeGreaterThanOrEqual(4.5);
    }
    await page.close();
  });
});

/** WCAG 2 contrast of some texts against the nearest opaque ground; runs in the page. */
const contrastOfTexts = (): number[] => {
  const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: string) => {
    const [r = 0, g = 0, b = 0] = channels(color).map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element: Element | null): string => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (channels(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = document.querySelectorAll('h1, p, .state, .score, .quiet, td, th, a, .unmeasured');
  return [...texts].map((text) => {
    const one = luminance(getComputedStyle(text).color);
    const other = luminance(groundOf(text));
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  });
};
