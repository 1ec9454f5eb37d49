import { isIP } from 'node:net';
import type { Protocol } from 'puppeteer-core';
import type { PageHost, PageNavigation, PageResource } from '#contract/body/page-load.ts';
import type { Redactor } from './redact.ts';

type Timing = Protocol.Network.ResourceTiming;

/** One request as the browser's network events tell it, before it is put into the contract's words. */
type Request = {
  /** The same over a chain of redirects. */
  id: string;
  frameId: string;
  url: string;
  type: string;
  startedSeconds: number;
  endedSeconds: number | null;
  status: number | null;
  timing: Timing | null;
  transferBytes: number;
  failed: string | null;
};

/** Of one run over the network; pages of large applications have a tenth of it. */
export const maxPageBytes = 100e6;

/**
 * Collects the network events of one page load. Requests are counted once they are sent; a redirect
 * makes another request. Only http and https count.
 */
export const createResourceLog = () => {
  const requests: Request[] = [];
  const current = new Map<string, Request>();
  let lastEventMs = performance.now();
  /** The browser's clock minus ours: the largest difference seen had the least delay in it. */
  let offsetSeconds = Number.NEGATIVE_INFINITY;
  let frozenSeconds: number | undefined;
  let sumBytes = 0;
  let onExceeded: (bytes: number) => void = () => {};
  const exceeded = new Promise<number>((resolve) => {
    onExceeded = resolve;
  });

  /** Takes the bytes for the request's, and all together for the page's. */
  const weigh = (request: Request, bytes: number): void => {
    sumBytes += Math.max(0, bytes - request.transferBytes);
    request.transferBytes = bytes;
    if (sumBytes > maxPageBytes) onExceeded(sumBytes);
  };

  const note = (seconds: number): void => {
    lastEventMs = performance.now();
    offsetSeconds = Math.max(offsetSeconds, seconds - lastEventMs / 1_000);
  };

  const end = (id: string, seconds: number, failed: string | null): Request | undefined => {
    note(seconds);
    const request = current.get(id);
    if (request === undefined || frozenSeconds !== undefined) return undefined;
    request.endedSeconds = seconds;
    request.failed = failed;
    current.delete(id);
    return request;
  };

  return {
    onRequest(event: Protocol.Network.RequestWillBeSentEvent): void {
      if (event.redirectResponse !== undefined) {
        const before = current.get(event.requestId);
        if (before !== undefined) answered(before, event.redirectResponse);
        end(event.requestId, event.timestamp, null);
      }
      if (!/^https?:/.test(event.request.url) || frozenSeconds !== undefined) return;
      note(event.timestamp);
      const request: Request = {
        id: event.requestId,
        frameId: event.frameId ?? '',
        url: event.request.url,
        type: (event.type ?? 'Other').toLowerCase(),
        startedSeconds: event.timestamp,
        endedSeconds: null,
        status: null,
        timing: null,
        transferBytes: 0,
        failed: null,
      };
      requests.push(request);
      current.set(event.requestId, request);
    },
    onResponse(event: Protocol.Network.ResponseReceivedEvent): void {
      const request = current.get(event.requestId);
      if (request !== undefined) answered(request, event.response);
    },
    onData(event: Protocol.Network.DataReceivedEvent): void {
      const request = current.get(event.requestId);
      if (request !== undefined) weigh(request, request.transferBytes + event.encodedDataLength);
    },
    onFinished(event: Protocol.Network.LoadingFinishedEvent): void {
      const request = end(event.requestId, event.timestamp, null);
      if (request !== undefined) weigh(request, event.encodedDataLength);
    },
    onFailed(event: Protocol.Network.LoadingFailedEvent): void {
      end(event.requestId, event.timestamp, event.errorText || 'failed');
    },
    /** Once the page has had more than a page may have. */
    exceeded,
    /** Nothing is on its way, and has not been for so long. */
    isQuietFor: (ms: number): boolean =>
      current.size === 0 && performance.now() - lastEventMs >= ms,
    /** The visit is over: what its end does to requests on their way is not the page's doing. */
    freeze(): void {
      frozenSeconds ??= performance.now() / 1_000 + offsetSeconds;
    },
    /** How many have begun so far. */
    count: (): number => requests.length,
    /** What the requests begun between two counts have transferred so far. */
    bytesBetween: (from: number, to: number): number =>
      Math.max(0, Math.round(sum(requests.slice(from, to).map((one) => one.transferBytes)))),
    /** Phases of the newest document of the page itself. */
    navigation: (): PageNavigation | null => navigationOf(requests),
    /** Unfinished requests last until the end of the visit, and say so. */
    summary: (pageUrl: string, maxResources: number, { start }: Pick<Redactor, 'start'>) =>
      summarise(
        requests,
        frozenSeconds ?? performance.now() / 1_000 + offsetSeconds,
        pageUrl,
        maxResources,
        start,
      ),
  };
};

export type ResourceLog = ReturnType<typeof createResourceLog>;

const answered = (request: Request, response: Protocol.Network.Response): void => {
  request.status = response.status <= 999 ? response.status : null;
  request.timing = response.timing ?? null;
  request.transferBytes = response.encodedDataLength;
};

const unfinished = 'not finished';

const summarise = (
  requests: readonly Request[],
  lastSeconds: number,
  pageUrl: string,
  maxResources: number,
  start: Redactor['start'],
) => {
  const originSeconds = requests[0]?.startedSeconds ?? 0;
  const resources = requests.map((request) =>
    toResource(request, originSeconds, lastSeconds, start),
  );
  const page = siteOf(hostOf(pageUrl));
  return {
    requestCount: requests.length,
    transferBytes: sum(requests.map(({ transferBytes }) => transferBytes)),
    failedRequestCount: resources.filter(
      ({ failed, status }) => failed !== null || (status ?? 0) >= 400,
    ).length,
    thirdPartyCount: resources.filter(({ host }) => siteOf(host) !== page).length,
    hosts: hostsOf(resources, page),
    networkProblems: resources.flatMap(problemOf),
    resources: resources.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, maxResources),
    /** Since the start of the first request; the page's own clock is better where it can be read. */
    documentTtfbMs: ttfbOf(requests, originSeconds),
  };
};

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

const maxHosts = 20;

const hostsOf = (resources: readonly PageResource[], page: string): PageHost[] => {
  const byHost = new Map<string, PageHost>();
  for (const { host, durationMs, transferBytes } of resources) {
    const one = byHost.get(host) ?? {
      host,
      requestCount: 0,
      transferBytes: 0,
      sumMs: 0,
      longestMs: 0,
      isThirdParty: siteOf(host) !== page,
    };
    one.requestCount += 1;
    one.transferBytes += transferBytes;
    one.sumMs += durationMs;
    one.longestMs = Math.max(one.longestMs, durationMs);
    byHost.set(host, one);
  }
  return [...byHost.values()].toSorted((a, b) => b.longestMs - a.longestMs).slice(0, maxHosts);
};

/** `net::ERR_ABORTED` is what a page's own change of mind looks like: no fault of anyone's. */
const problemOf = ({ failed, status, url }: PageResource): string[] => {
  if (failed !== null && failed !== unfinished && failed !== 'net::ERR_ABORTED') {
    return [`${failed} ${url}`];
  }
  return status !== null && status >= 400 ? [`status ${status} ${url}`] : [];
};

/** Of the page itself: the frame that made the first request. */
const documentsOf = (requests: readonly Request[]): Request[] =>
  requests.filter(({ type, frameId }) => type === 'document' && frameId === requests[0]?.frameId);

const navigationOf = (requests: readonly Request[]): PageNavigation | null => {
  const document = documentsOf(requests).at(-1);
  if (document === undefined || document.timing === null) return null;
  const first = requests.find(({ id }) => id === document.id) ?? document;
  return {
    redirectMs:
      first === document ? null : (document.startedSeconds - first.startedSeconds) * 1_000,
    ...phasesOf(document.timing, document.endedSeconds),
  };
};

const ttfbOf = (requests: readonly Request[], originSeconds: number): number | null => {
  const timing = documentsOf(requests).findLast(({ timing }) => timing)?.timing;
  if (!timing) return null;
  return (timing.requestTime - originSeconds) * 1_000 + timing.receiveHeadersEnd;
};

const toResource = (
  request: Request,
  originSeconds: number,
  lastSeconds: number,
  start: Redactor['start'],
): PageResource => {
  const endedSeconds = request.endedSeconds ?? lastSeconds;
  return {
    url: withoutQuery(start(request.url, 4_000)),
    host: start(hostOf(request.url), 256),
    type: request.type.slice(0, 32),
    status: request.status,
    startMs: Math.max(0, (request.startedSeconds - originSeconds) * 1_000),
    durationMs: Math.max(0, (endedSeconds - request.startedSeconds) * 1_000),
    ...phasesOf(request.timing, request.endedSeconds),
    transferBytes: Math.max(0, Math.round(request.transferBytes)),
    failed: request.endedSeconds === null ? unfinished : (request.failed?.slice(0, 100) ?? null),
  };
};

type Phases = Pick<PageResource, 'dnsMs' | 'connectMs' | 'tlsMs' | 'waitMs' | 'receiveMs'>;

/** Times of `timing` are milliseconds since its requestTime, which is in seconds; -1: not done. */
const phasesOf = (timing: Timing | null, endedSeconds: number | null): Phases => {
  if (timing === null) {
    return { dnsMs: null, connectMs: null, tlsMs: null, waitMs: null, receiveMs: null };
  }
  const tcpEnd = timing.sslStart >= 0 ? timing.sslStart : timing.connectEnd;
  const firstByte =
    timing.receiveHeadersStart >= 0 ? timing.receiveHeadersStart : timing.receiveHeadersEnd;
  const endMs = endedSeconds === null ? -1 : (endedSeconds - timing.requestTime) * 1_000;
  return {
    dnsMs: between(timing.dnsStart, timing.dnsEnd),
    connectMs: between(timing.connectStart, tcpEnd),
    tlsMs: between(timing.sslStart, timing.sslEnd),
    waitMs: between(timing.sendEnd, firstByte),
    receiveMs: between(firstByte, endMs),
  };
};

const between = (start: number, end: number): number | null =>
  start < 0 || end < 0 ? null : Math.max(0, end - start);

/** Queries carry sessions and tokens: they are not stored. */
export const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '').slice(0, 2_048);

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '');

/**
 * The part of a name its owner registered, by rule of thumb: two labels, three under a short second
 * level (`example.co.uk`). The Public Suffix List would be exact, and is not worth 200 kB here.
 */
export const siteOf = (host: string): string => {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return bare;
  const labels = bare.split('.');
  const [second = '', top = ''] = labels.slice(-2);
  const isShortSecondLevel = labels.length > 2 && top.length === 2 && second.length <= 3;
  return labels.slice(isShortSecondLevel ? -3 : -2).join('.');
};
