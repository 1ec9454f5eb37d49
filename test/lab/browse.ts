import puppeteer from 'puppeteer-core';

/**
 * The page as a person's Chromium in that namespace has it, once it is loaded and its own script has
 * marked it ready. `--dump-dom` would not wait for scripts, and its virtual time outruns a network.
 */
export const browse = async (
  namespace: string,
  url: string,
  options: { home: string; flags?: readonly string[] },
): Promise<string> => {
  const browser = await puppeteer.launch({
    executablePath: '/sbin/ip',
    ignoreDefaultArgs: true,
    args: [
      ...['netns', 'exec', namespace, 'chromium', '--headless=new', '--no-sandbox'],
      ...['--disable-gpu', '--disable-background-networking', '--disable-component-update'],
      ...['--no-first-run', `--user-data-dir=${options.home}/profile`, '--remote-debugging-pipe'],
      ...(options.flags ?? []),
      'about:blank',
    ],
    env: { ...process.env, HOME: options.home },
    pipe: true,
  });
  try {
    const page = await browser.newPage();
    await page.goto(url, { waitUntil: 'load', timeout: 30_000 });
    await page.waitForSelector('[data-ready="yes"]', { timeout: 10_000 });
    return await page.content();
  } finally {
    await browser.close();
  }
};
