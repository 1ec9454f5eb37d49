import type { Evidence } from '#contract/verdict.ts';
import type { GrownHost, JudgedPage } from '../page.ts';
import { sayMs } from '../wording.ts';
import type { Cause } from './cause.ts';

/** What the browser does after the document has come: more requests, scripts, painting. */
export const page: Cause = {
  group: 'page',
  noun: 'the page itself',
  says: (ms) => `the page takes ${sayMs(ms)} after the answer has begun`,
  action: () => pageAction(null),
  fails: 'the page does not load',
  looks: () => [],
};

export const sayPage = (judged: JudgedPage, host: GrownHost | null): string => {
  const goal = judged.milestone === 'lcp' ? 'to show its main content' : 'to load';
  const held =
    host === null ? '' : `; it waits for ${host.host}, ${sayMs(host.ms)} (${usually(host)})`;
  return `the page takes ${sayMs(judged.ms)} ${goal}, ${sayMs(judged.addedMs ?? 0)} more than usual${held}`;
};

export const pageAction = (host: GrownHost | null): string =>
  host === null
    ? 'Tell the application’s owner: the page’s own scripts or number of requests have grown.'
    : `Tell the application’s owner that ${host.host} holds the page up; its slowest request is in the evidence.`;

export const looksAtHost = (host: GrownHost | null): Evidence[] =>
  host === null
    ? []
    : [
        {
          finding: 'against',
          segment: 'page',
          text: `Slowest request of ${host.host}: ${sayMs(host.ms)}, ${usually(host)} (${host.url.slice(0, 200)}).`,
          value: host.ms,
          baseline: host.baselineMs,
          unit: 'ms',
        },
      ];

const usually = (host: GrownHost): string =>
  host.baselineMs === null ? 'new on this page' : `usually ${sayMs(host.baselineMs)}`;
