import type { Protocol } from 'puppeteer-core';
import packageFile from '../../package.json' with { type: 'json' };
import type { Milestones } from './milestones.ts';
import type { Redactor } from './redact.ts';

type Timing = Protocol.Network.ResourceTiming;
type Start = Redactor['start'];
type Header = { name: string; value: string };

type Entry = {
  id: string;
  startedSeconds: number;
  wallSeconds: number;
  request: Protocol.Network.Request;
  type: string;
  response: Protocol.Network.Response | null;
  endedSeconds: number | null;
  bodyBytes: number;
  transferBytes: number;
  failed: string | null;
};

/** An archive of more is of no use to a reader, and may not get through. */
const maxEntries = 1_000;
const maxArchiveBytes = 1_500_000;
const maxHeaders = 100;
const maxValueLength = 500;

/**
 * What the browser loaded as an HTTP archive (HAR 1.2), without bodies. Values that may be somebody's
 * (queries, headers but for those known to be harmless, long identifiers in paths) are replaced by
 * `redacted`; their names stay.
 */
export const createHarLog = () => {
  const entries: Entry[] = [];
  const current = new Map<string, Entry>();
  let droppedCount = 0;
  let lastSeconds = 0;
  let isFrozen = false;

  const end = (id: string, seconds: number): Entry | undefined => {
    lastSeconds = Math.max(lastSeconds, seconds);
    const entry = current.get(id);
    if (entry === undefined || isFrozen) return undefined;
    entry.endedSeconds = seconds;
    current.delete(id);
    return entry;
  };

  return {
    onRequest(event: Protocol.Network.RequestWillBeSentEvent): void {
      if (isFrozen) return;
      if (event.redirectResponse !== undefined) {
        const before = end(event.requestId, event.timestamp);
        if (before !== undefined) before.response = event.redirectResponse;
      }
      if (!/^https?:/.test(event.request.url)) return;
      lastSeconds = Math.max(lastSeconds, event.timestamp);
      if (entries.length === maxEntries) {
        droppedCount += 1;
        return;
      }
      const entry: Entry = {
        id: event.requestId,
        startedSeconds: event.timestamp,
        wallSeconds: event.wallTime,
        request: event.request,
        type: (event.type ?? 'Other').toLowerCase(),
        response: null,
        endedSeconds: null,
        bodyBytes: 0,
        transferBytes: 0,
        failed: null,
      };
      entries.push(entry);
      current.set(event.requestId, entry);
    },
    onResponse(event: Protocol.Network.ResponseReceivedEvent): void {
      const entry = current.get(event.requestId);
      if (entry !== undefined) entry.response = event.response;
    },
    onData(event: Protocol.Network.DataReceivedEvent): void {
      const entry = current.get(event.requestId);
      if (entry !== undefined) entry.bodyBytes += event.dataLength;
    },
    onFinished(event: Protocol.Network.LoadingFinishedEvent): void {
      const entry = end(event.requestId, event.timestamp);
      if (entry !== undefined) entry.transferBytes = event.encodedDataLength;
    },
    onFailed(event: Protocol.Network.LoadingFailedEvent): void {
      const entry = end(event.requestId, event.timestamp);
      if (entry !== undefined) entry.failed = event.errorText || 'failed';
    },
    freeze(): void {
      isFrozen = true;
    },
    archive: (page: {
      url: string;
      browser: string;
      milestones: Milestones;
      redactor: Pick<Redactor, 'start'>;
    }) => archiveOf(entries, { ...page, start: page.redactor.start, lastSeconds, droppedCount }),
  };
};

export type HarLog = ReturnType<typeof createHarLog>;

const pageId = 'page_1';

const archiveOf = (
  entries: readonly Entry[],
  page: {
    url: string;
    browser: string;
    milestones: Milestones;
    start: Start;
    lastSeconds: number;
    droppedCount: number;
  },
) => {
  const kept = fitting(entries, (entry) => entryOf(entry, page.lastSeconds, page.start));
  const droppedCount = page.droppedCount + entries.length - kept.length;
  const [name = '', version = ''] = page.browser.split('/');
  return {
    log: {
      version: '1.2',
      creator: { name: 'whyslow', version: packageFile.version },
      browser: { name, version },
      pages: [
        {
          startedDateTime: dateOf(entries[0]?.wallSeconds ?? Date.now() / 1_000),
          id: pageId,
          title: redactUrl(page.url, page.start),
          pageTimings: {
            onContentLoad: page.milestones.domContentLoadedMs ?? -1,
            onLoad: page.milestones.loadMs ?? -1,
          },
        },
      ],
      entries: kept,
      ...(droppedCount === 0 ? {} : { comment: `${droppedCount} further requests left out` }),
    },
  };
};

/** The first ones, as many as an archive of that size holds. */
const fitting = <T>(entries: readonly Entry[], toHar: (entry: Entry) => T): T[] => {
  const kept: T[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const one = toHar(entry);
    bytes += Buffer.byteLength(JSON.stringify(one));
    if (bytes > maxArchiveBytes) break;
    kept.push(one);
  }
  return kept;
};

const dateOf = (wallSeconds: number): string => new Date(wallSeconds * 1_000).toISOString();

const entryOf = (entry: Entry, lastSeconds: number, start: Start) => {
  const endedSeconds = entry.endedSeconds ?? Math.max(lastSeconds, entry.startedSeconds);
  const failed = entry.endedSeconds === null ? 'not finished' : entry.failed;
  const timings = timingsOf(entry, endedSeconds);
  const { remoteIPAddress, remotePort } = entry.response ?? {};
  return {
    pageref: pageId,
    startedDateTime: dateOf(entry.wallSeconds),
    time: totalOf(timings),
    request: requestOf(entry, start),
    response: responseOf(entry, start),
    cache: {},
    timings,
    ...(remoteIPAddress ? { serverIPAddress: remoteIPAddress.replace(/^\[|\]$/g, '') } : {}),
    ...(remotePort ? { connection: String(remotePort) } : {}),
    _resourceType: entry.type,
    ...(failed === null ? {} : { _error: start(failed, 100) }),
  };
};

/** `ssl` is within `connect` (HAR 1.2), so it is not added again. */
const totalOf = (timings: ReturnType<typeof timingsOf>): number =>
  [timings.blocked, timings.dns, timings.connect, timings.send, timings.wait, timings.receive]
    .filter((ms) => ms > 0)
    .reduce((sum, ms) => sum + ms, 0);

/** -1: does not apply to this request (HAR 1.2). */
const timingsOf = ({ response, startedSeconds }: Entry, endedSeconds: number) => {
  const timing: Timing | undefined = response?.timing;
  if (timing === undefined) {
    const waitMs = Math.max(0, (endedSeconds - startedSeconds) * 1_000);
    return { blocked: -1, dns: -1, connect: -1, ssl: -1, send: 0, wait: waitMs, receive: 0 };
  }
  const queuedMs = Math.max(0, (timing.requestTime - startedSeconds) * 1_000);
  const firstStep = [timing.dnsStart, timing.connectStart, timing.sendStart].find((ms) => ms >= 0);
  const endMs = (endedSeconds - timing.requestTime) * 1_000;
  return {
    blocked: queuedMs + Math.max(0, firstStep ?? 0),
    dns: spanOf(timing.dnsStart, timing.dnsEnd),
    connect: spanOf(timing.connectStart, timing.connectEnd),
    ssl: spanOf(timing.sslStart, timing.sslEnd),
    send: Math.max(0, timing.sendEnd - timing.sendStart),
    wait: Math.max(0, timing.receiveHeadersEnd - timing.sendEnd),
    receive: Math.max(0, endMs - timing.receiveHeadersEnd),
  };
};

const spanOf = (start: number, end: number): number => (start < 0 ? -1 : Math.max(0, end - start));

const requestOf = ({ request, response }: Entry, start: Start) => ({
  method: start(request.method, 32),
  url: redactUrl(request.url, start),
  httpVersion: versionOf(response?.protocol),
  cookies: [],
  headers: headersOf(request.headers, start),
  queryString: queryOf(start(request.url, maxUrlLength)),
  headersSize: -1,
  // The body itself is left out.
  bodySize: request.hasPostData ? (request.postData?.length ?? -1) : 0,
});

const responseOf = ({ response, bodyBytes, transferBytes }: Entry, start: Start) => ({
  status: response?.status ?? 0,
  statusText: start(response?.statusText ?? '', 100),
  httpVersion: versionOf(response?.protocol),
  cookies: [],
  headers: headersOf(response?.headers ?? {}, start),
  content: { size: bodyBytes, mimeType: start(response?.mimeType || 'x-unknown', 100) },
  redirectURL: redactUrl(locationOf(response?.headers ?? {}), start),
  headersSize: -1,
  bodySize: -1,
  _transferSize: Math.round(transferBytes),
});

const versionOf = (protocol: string | undefined): string =>
  protocol === undefined ? '' : protocol === 'h2' ? 'HTTP/2' : protocol.slice(0, 32).toUpperCase();

const locationOf = (headers: Record<string, string>): string =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === 'location')?.[1] ?? '';

/** Whose values say how a page is delivered, and nothing of who asks. */
const isHarmless = new RegExp(
  `^(${[
    'accept(-[a-z-]{1,20})?',
    'access-control-(allow-(headers|methods|credentials)|max-age|request-(headers|method))',
    'age',
    'alt-svc',
    'cache-control',
    'cache-status',
    'cf-cache-status',
    'connection',
    'content-(disposition|encoding|language|length|range|type)',
    'date',
    'expires',
    'host',
    'keep-alive',
    'last-modified',
    'pragma',
    'priority',
    'proxy-status',
    'range',
    'retry-after',
    'sec-(ch-ua|fetch)(-[a-z-]{1,30})?',
    'server(-timing)?',
    'strict-transport-security',
    'timing-allow-origin',
    'transfer-encoding',
    'upgrade-insecure-requests',
    'user-agent',
    'vary',
    'via',
    'x-cache(-hits)?',
    'x-content-type-options',
    'x-frame-options',
  ].join('|')})$`,
  'i',
);
const isUrl = /^(location|content-location|referer|origin)$/i;

const headersOf = (headers: Record<string, string>, start: Start): Header[] =>
  Object.entries(headers)
    // Pseudo headers of HTTP/2 say what stands in the request line.
    .filter(([name]) => !name.startsWith(':'))
    .slice(0, maxHeaders)
    .map(([name, value]) => ({ name: start(name, 100), value: shownValue(name, value, start) }));

/** Cut before any pattern is tried on it: a server may send as much as it likes. */
const shownValue = (name: string, value: string, start: Start): string => {
  if (isUrl.test(name)) return redactUrl(value, start).slice(0, maxValueLength);
  return isHarmless.test(name) ? redactUrls(start(value, maxValueLength)) : redacted;
};

const redacted = 'redacted';

const redactUrls = (value: string): string =>
  value
    .replace(/([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]*@/gi, '$1')
    .replace(/(https?:\/\/[^\s?#"'<>;,]*)[?#][^\s"'<>;,]*/gi, '$1');

const maxUrlLength = 4_096;

/** With the names of its parameters, where they look like names. */
const redactUrl = (whole: string, start: Start): string => {
  const url = start(whole, maxUrlLength);
  const bare = url.replace(/[?#].*$/s, '').replace(/^([a-z]{1,20}:\/\/)[^/@]*@/i, '$1');
  const path = bare.split('/').map(redactSegment).join('/');
  const names = queryOf(url).map(({ name }) => `${encodeURIComponent(name)}=${redacted}`);
  return `${path.slice(0, 2_048)}${names.length === 0 ? '' : `?${names.join('&')}`}`;
};

/** Parameters of a segment are somebody's session, and long mixed ones are keys or names of things. */
const redactSegment = (segment: string): string => {
  const [own = '', ...parameters] = segment.split(';');
  const isToken =
    /^eyJ[\w-]+\./.test(own) || (/^[\w-]{32,}$/.test(own) && /\d/.test(own) && /[a-z]/i.test(own));
  return `${isToken ? redacted : own}${parameters.length === 0 ? '' : `;${redacted}`}`;
};

const queryOf = (url: string): Header[] =>
  (/\?([^#]*)/.exec(url)?.[1] ?? '')
    .split('&')
    .filter((pair) => /^[\w.[\]-]{1,40}=/.test(pair))
    .slice(0, 50)
    .map((pair) => ({ name: pair.split('=', 1)[0] ?? '', value: redacted }));
