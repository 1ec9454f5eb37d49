import type { Browser, BrowserContext, CDPSession, Page, Protocol, Target } from 'puppeteer-core';
import type { ProxyAddress } from '#probes/probe.ts';
import { observerScript } from './milestones.ts';

/** Whoever wants to know of the page's requests. */
export type NetworkListener = {
  onRequest(event: Protocol.Network.RequestWillBeSentEvent): void;
  onResponse(event: Protocol.Network.ResponseReceivedEvent): void;
  onData(event: Protocol.Network.DataReceivedEvent): void;
  onFinished(event: Protocol.Network.LoadingFinishedEvent): void;
  onFailed(event: Protocol.Network.LoadingFailedEvent): void;
};

/** What a page says for people who have its console open. */
export type ConsoleListener = { onConsole(text: string): void; onException(text: string): void };

export type OpenPage = { context: BrowserContext; page: Page; session: CDPSession };

/** A page in a context of its own, on which nothing can hold up the run or get out of it. */
export const openPage = async (
  browser: Browser,
  options: {
    proxy: ProxyAddress | undefined;
    network: readonly NetworkListener[];
    console: ConsoleListener;
  },
): Promise<OpenPage> => {
  const context = await browser.createBrowserContext({
    // Nothing is written to the device's disk.
    downloadBehavior: { policy: 'deny' },
    ...proxyOptions(options.proxy),
  });
  const page = await context.newPage();
  answerDialogs(page);
  closeOtherPages(context, page);
  listenToConsole(page, options.console);
  const session = await page.createCDPSession();
  await Promise.all([
    page.evaluateOnNewDocument(observerScript),
    watchNetwork(session, options.network),
  ]);
  return { context, page, session };
};

/** Of a page that says more the rest is counted, and not looked at. */
const maxMessages = 200;

/** The listeners stay: without one Puppeteer sends a command for everything a message is made of. */
const listenToConsole = (page: Page, listener: ConsoleListener): void => {
  let count = 0;
  const within = (text: () => string): string => {
    count += 1;
    return count > maxMessages ? '' : text();
  };
  page.on('console', (message) => {
    if (message.type() === 'error') listener.onConsole(within(() => message.text()));
  });
  page.on('pageerror', (error) =>
    listener.onException(within(() => (error instanceof Error ? error.message : String(error)))),
  );
};

const proxyOptions = (proxy: ProxyAddress | undefined) =>
  proxy === undefined
    ? {}
    : {
        proxyServer: `http://${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}`,
        // Chromium goes past the proxy for loopback names unless told not to.
        proxyBypassList: ['<-loopback>'],
      };

/** A dialog would hold the page for ever. "Leave this page?" is answered yes, all others no. */
const answerDialogs = (page: Page): void => {
  page.on('dialog', (dialog) => {
    const answer = dialog.type() === 'beforeunload' ? dialog.accept() : dialog.dismiss();
    answer.catch(() => {});
  });
};

/** Windows a click opens (a page alone cannot) would go on loading unseen. */
const closeOtherPages = (context: BrowserContext, page: Page): void => {
  context.on('targetcreated', (target: Target) => {
    if (target.type() !== 'page' || target === page.target()) return;
    target
      .page()
      .then((other) => other?.close())
      .catch(() => {});
  });
};

/** Frames of other sites live in processes of their own, with network events of their own. */
const watchNetwork = async (
  session: CDPSession,
  listeners: readonly NetworkListener[],
): Promise<void> => {
  for (const one of listeners) {
    session.on('Network.requestWillBeSent', one.onRequest);
    session.on('Network.responseReceived', one.onResponse);
    session.on('Network.dataReceived', one.onData);
    session.on('Network.loadingFinished', one.onFinished);
    session.on('Network.loadingFailed', one.onFailed);
  }
  session.on('sessionattached', (child: CDPSession) => {
    watchNetwork(child, listeners)
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
