import type { RunLine } from '../triage/views.ts';
import { count, ms, when } from './format.ts';
import { type Html, html } from './html.ts';
import { empty, table } from './layout.ts';
import { artefactUrl } from './links.ts';

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
          html`${typeWords[run.type]} <span class="quiet">${run.probeId}${whyMade(run)}</span>`,
        ]),
      );

/** Nothing for what the plan made. */
const whyMade = ({ repeats, requestId, burstId }: RunLine): string => {
  if (requestId !== '') return ', asked for';
  if (burstId !== '') return ', on suspicion';
  return repeats === '' ? '' : ', made again';
};

const outcome = (run: RunLine): Html => {
  const distorted =
    run.distortion === ''
      ? null
      : html` <span class="quiet">kept out of the verdict: ${run.distortion.replaceAll('-', ' ')}</span>`;
  const more = html`${stepList(run)}${problemList(run)}${artefacts(run)}`;
  if (run.failure === null) {
    return html`<span class="${run.ok ? 'good' : 'bad'}">${run.ok ? '✓' : '✕'}</span> ${run.detail}${distorted}${more}`;
  }
  const { type, message, action } = run.failure;
  return html`<div class="long"><span class="bad">✕</span> <code>${type}</code> ${message}${action !== '' && html`<br><span class="quiet">${action}</span>`}${distorted}${more}</div>`;
};

const stepSigns = { passed: '✓', failed: '✕', skipped: '–' } as const;

/** What was done on the page, one after the other. */
const stepList = ({ steps }: RunLine): Html | null => {
  if (steps.length === 0) return null;
  const passed = steps.filter(({ outcome: how }) => how === 'passed').length;
  return html`<details class="run-more"${passed < steps.length && html` open`}><summary>${passed} of ${steps.length} steps passed</summary><ol class="steps">${steps.map(
    (step) =>
      html`<li><span class="${step.outcome === 'failed' ? 'bad' : 'quiet'}">${stepSigns[step.outcome]}</span> ${step.name}${step.outcome !== 'skipped' && html` <span class="quiet">${ms(step.durationMs)}${step.requestCount > 0 && html`, ${count(step.requestCount, 'request', 'requests')}`}</span>`}</li>`,
  )}</ol></details>`;
};

const problemList = ({ problems }: RunLine): Html | null =>
  problems.length === 0
    ? null
    : html`<details class="run-more"><summary>${count(problems.length, 'complaint', 'complaints')} of the page</summary><ul class="steps">${problems.map(({ kind, text }) => html`<li><span class="quiet">${kind}</span> ${text}</li>`)}</ul></details>`;

const artefacts = ({ artefacts: kinds, resultId }: RunLine): Html | null => {
  if (resultId === null || kinds.length === 0) return null;
  const picture = kinds.includes('screenshot') && artefactUrl(resultId, 'screenshot');
  const archive = kinds.includes('har') && artefactUrl(resultId, 'har');
  return html`<div class="artefacts">${picture && html`<a href="${picture}"><img src="${picture}" alt="The page as it was" loading="lazy" width="240"></a>`}${archive && html`<a href="${archive}">HTTP archive (HAR)</a>`}</div>`;
};
