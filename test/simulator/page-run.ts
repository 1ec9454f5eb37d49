import type { PageHost, PageLoadBody } from '#contract/body/page-load.ts';
import type { PageLoadResult } from '#contract/result.ts';
import type { Bench } from './bench.ts';
import { type DeviceNow, lagMs, rounded, sumOf } from './device-now.ts';
import { envelopeOf } from './envelope.ts';
import { runHttp } from './http-run.ts';
import { drawPartyMs, fetchMs } from './page-parts.ts';
import type { Use } from './population.ts';
import type { Application } from './topology.ts';

/** Late timers stretch every task of a page. */
export const tasksOfAPage = 4;

/**
 * A page is loaded as a request like the others, then what it waits for one after the other: other
 * parties' scripts, painting, the largest picture.
 */
export const runPage = (bench: Bench, now: DeviceNow, use: Use, atMs: number): PageLoadResult => {
  const application = bench.topology.applications[use.appIndex] as Application;
  const http = runHttp(bench, now, use, atMs);
  const [exchange] = http.body.exchanges;
  if (!exchange) throw new Error('a run without an exchange');
  const { phases } = exchange;
  const ttfbMs = exchange.durationMs - (phases.receiveMs ?? 0);
  const parties = application.thirdParties.map((host) => ({
    host,
    ms: drawPartyMs(bench, now, host),
  }));
  const partiesMs = parties.reduce((sum, { ms }) => sum + ms, 0);
  const renderMs = drawRenderMs(bench, now, use, application);
  const pictureMs = use.onward ? fetchMs(bench, now, use.onward) : 0;
  const fcpMs = exchange.durationMs + partiesMs + renderMs / 2;
  const lcpMs = fcpMs + pictureMs + renderMs / 2;
  const lags = [http.self.eventLoopDelayMs];
  const own = ownHost(application, exchange.durationMs, pictureMs);
  return {
    ...envelopeOf(bench, now, {
      appId: application.id,
      probeId: `${application.id}-page-load`,
      via: http.via,
      atMs,
      durationMs: rounded(lcpMs + 300),
      lags,
    }),
    type: 'page-load',
    body: {
      ...constants,
      url: exchange.url,
      finalUrl: exchange.url,
      ttfbMs: rounded(ttfbMs),
      fcpMs: rounded(fcpMs),
      lcpMs: rounded(lcpMs),
      domContentLoadedMs: rounded(fcpMs),
      loadMs: rounded(lcpMs + 40),
      totalBlockingMs: rounded(Math.max(0, renderMs * 0.4 - 50)),
      requestCount: own.requestCount + parties.length * 3,
      transferBytes: own.transferBytes + parties.length * 40_000,
      resources: [],
      navigation: {
        redirectMs: null,
        dnsMs: phases.dnsMs,
        connectMs: phases.proxyConnectMs ?? phases.connectMs,
        tlsMs: phases.tlsMs,
        waitMs: phases.waitMs,
        receiveMs: phases.receiveMs,
      },
      longTasks: longTasksOf(renderMs, fcpMs) ?? null,
      hosts: [own, ...parties.map(partyHost)].sort((a, b) => b.longestMs - a.longestMs),
    },
  };
};

const drawRenderMs = (
  bench: Bench,
  now: DeviceNow,
  { appIndex }: Use,
  { renderMs }: Application,
): number => {
  let ms = bench.travel.random.logNormal(renderMs * now.device.renderFactor, 0.12);
  ms += sumOf(bench.state.at('render', appIndex), bench.travel);
  for (let i = 0; i < tasksOfAPage; i++) ms += lagMs(now, bench.travel);
  return ms;
};

const ownHost = (
  { host, bodyBytes }: Application,
  firstMs: number,
  pictureMs: number,
): PageHost => ({
  host,
  requestCount: 12,
  transferBytes: bodyBytes * 5,
  sumMs: rounded(firstMs + pictureMs * 6),
  longestMs: rounded(Math.max(firstMs, pictureMs)),
  isThirdParty: false,
});

const partyHost = ({ host, ms }: { host: string; ms: number }): PageHost => ({
  host,
  requestCount: 3,
  transferBytes: 40_000,
  sumMs: rounded(ms * 1.6),
  longestMs: rounded(ms),
  isThirdParty: true,
});

const longTasksOf = (renderMs: number, fcpMs: number): PageLoadBody['longTasks'] => {
  const durationMs = renderMs * 0.4;
  if (durationMs < 50) return { count: 0, longest: [] };
  const startMs = rounded(Math.max(0, fcpMs - durationMs));
  return { count: 1, longest: [{ startMs, durationMs: rounded(durationMs) }] };
};

const constants = {
  status: 200,
  cls: 0.01,
  failedRequestCount: 0,
  thirdPartyCount: 2,
  consoleErrorCount: 0,
  browser: 'Chrome/120',
} as const;
