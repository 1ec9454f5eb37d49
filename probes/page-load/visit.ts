import type { Browser, BrowserContext, CDPSession, Page } from 'puppeteer-core';
import type { ProxyAddress } from '#probes/probe.ts';
import {
  type Milestones,
  noMilestones,
  observerScript,
  parseMilestones,
  readScript,
} from './milestones.ts';
import { createResourceLog, type ResourceLog } from './resources.ts';

/** How a visit ended. `failed` carries Chromium's own net:: error. */
type VisitEnd =
  | { kind: 'loaded' }
  | { kind: 'cut-short' }
  | { kind: 'failed'; message: string }
  | { kind: 'crashed'; message: string };

export type Visit = {
  end: VisitEnd;
  milestones: Milestones;
  resources: ResourceLog;
  status: number | null;
  finalUrl: string | null;
  consoleErrorCount: number;
  /** The browser did not give the context back: it is not to be used again. */
  isBrowserSpoilt: boolean;
};

export type VisitOptions = {
  url: string;
  proxy: ProxyAddress | undefined;
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
  const seen: Visit = {
    end: { kind: 'cut-short' },
    milestones: noMilestones,
    resources: createResourceLog(),
    status: null,
    finalUrl: null,
    consoleErrorCount: 0,
    isBrowserSpoilt: false,
  };
  let context: BrowserContext | undefined;
  const ended = endOf(browser, options.signal);
  try {
    const opening = openPage(browser, options.proxy, seen);
    opening.catch(() => {});
    const opened = await Promise.race([opening, ended.first]);
    if ('kind' in opened) {
      seen.end = opened;
      seen.isBrowserSpoilt = true;
      return seen;
    }
    context = opened.context;
    const crashed = crashOf(opened.page);
    seen.end = await Promise.race([ended.first, crashed, load(opened.page, options, seen)]);
    if (seen.end.kind === 'loaded') {
      // Chromium calls a page loaded just before it says that its process has crashed.
      const settled = settle(seen.resources, options.signal).then(() => seen.end);
      seen.end = await Promise.race([crashed, ended.gone, settled]);
    }
    seen.resources.freeze();
    if (seen.end.kind !== 'crashed') await read(opened.page, seen);
  } catch (error) {
    seen.end = browser.connected
      ? { kind: 'failed', message: (error as Error).message }
      : { kind: 'crashed', message: 'the browser ended' };
  } finally {
    ended.stop();
    seen.resources.freeze();
    if (context !== undefined) seen.isBrowserSpoilt ||= !(await closes(context));
  }
  return seen;
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

const openPage = async (
  browser: Browser,
  proxy: ProxyAddress | undefined,
  seen: Visit,
): Promise<{ context: BrowserContext; page: Page }> => {
  const context = await browser.createBrowserContext(
    proxy === undefined
      ? {}
      : {
          proxyServer: `http://${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}`,
          // Chromium goes past the proxy for loopback names unless told not to.
          proxyBypassList: ['<-loopback>'],
        },
  );
  const page = await context.newPage();
  // A dialog would hold the page for ever: there is no one to answer it.
  page.on('dialog', (dialog) => void dialog.dismiss().catch(() => {}));
  page.on('console', (message) => {
    if (message.type() === 'error') seen.consoleErrorCount += 1;
  });
  page.on('pageerror', () => {
    seen.consoleErrorCount += 1;
  });
  await page.evaluateOnNewDocument(observerScript);
  await watchNetwork(await page.createCDPSession(), seen.resources);
  return { context, page };
};

/** Frames of other sites live in processes of their own, with network events of their own. */
const watchNetwork = async (session: CDPSession, resources: ResourceLog): Promise<void> => {
  session.on('Network.requestWillBeSent', resources.onRequest);
  session.on('Network.responseReceived', resources.onResponse);
  session.on('Network.dataReceived', resources.onData);
  session.on('Network.loadingFinished', resources.onFinished);
  session.on('Network.loadingFailed', resources.onFailed);
  session.on('sessionattached', (child: CDPSession) => {
    watchNetwork(child, resources)
      .then(() => child.send('Runtime.runIfWaitingForDebugger'))
      .catch(() => {});
  });
  await session.send('Network.enable');
  await session.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: true,
    flatten: true,
  });
};

const load = async (page: Page, options: VisitOptions, seen: Visit): Promise<VisitEnd> => {
  page.on('response', (response) => {
    const request = response.request();
    if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) return;
    seen.status = response.status();
    seen.finalUrl = response.url();
  });
  try {
    await page.goto(options.url, { waitUntil: 'load', timeout: 0 });
    return { kind: 'loaded' };
  } catch (error) {
    const message = (error as Error).message;
    if (options.signal.aborted) return { kind: 'cut-short' };
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
const read = async (page: Page, seen: Visit): Promise<void> => {
  const limitMs = seen.end.kind === 'loaded' ? readTimeoutMs.loaded : readTimeoutMs.otherwise;
  const reading = page.evaluate(readScript).catch(() => null);
  const value = await Promise.race([reading, after(limitMs)]);
  seen.milestones = parseMilestones(value);
};

const closes = (context: BrowserContext): Promise<boolean> =>
  Promise.race([
    context.close().then(
      () => true,
      () => false,
    ),
    after(closeTimeoutMs).then(() => false),
  ]);

const after = (ms: number): Promise<null> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms, null).unref();
  });
