import type { RunLine } from '../triage/views.ts';
import { ms, when } from './format.ts';
import { type Html, html } from './html.ts';
import { empty, table } from './layout.ts';

const typeWords = {
  http: 'HTTP request',
  'page-load': 'page load',
  path: 'trace',
  dns: 'name lookup',
  tcp: 'connection',
  tls: 'TLS handshake',
  voice: 'call',
} as const satisfies Record<RunLine['type'], string>;

/** The newest runs; a failure by its type, what happened, and what to do. */
export const runsTable = (runs: readonly RunLine[], nowMs: number): Html =>
  runs.length === 0
    ? empty(
        'No run in this stretch of time: choose a longer one, or check that the agent runs (',
        html`<code>whyslow agent status</code>`,
        ').',
      )
    : table(
        'Recent runs',
        ['When', 'Outcome', '#Time', 'Way', 'Probe'],
        runs.map((run) => [
          when(run.at, nowMs),
          outcome(run),
          ms(run.totalMs),
          run.via === 'tunnel' && run.edgeId !== '' ? `edge ${run.edgeId}` : run.via,
          html`${typeWords[run.type]} <span class="quiet">${run.probeId}</span>`,
        ]),
      );

const outcome = (run: RunLine): Html => {
  const distorted =
    run.distortion === ''
      ? null
      : html` <span class="quiet">kept out of the verdict: ${run.distortion.replaceAll('-', ' ')}</span>`;
  if (run.failure === null) {
    return html`<span class="${run.ok ? 'good' : 'bad'}">${run.ok ? '✓' : '✕'}</span> ${run.detail}${distorted}`;
  }
  const { type, message, action } = run.failure;
  return html`<div class="long"><span class="bad">✕</span> <code>${type}</code> ${message}${action !== '' && html`<br><span class="quiet">${action}</span>`}${distorted}</div>`;
};
