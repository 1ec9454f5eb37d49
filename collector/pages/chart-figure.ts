import type { Chart } from '../triage/views.ts';
import { duration, quantity } from './format.ts';
import { embedJson, type Html, html } from './html.ts';
import { table } from './layout.ts';

/**
 * A chart: its place (drawn by assets/charts.js, of fixed height so that nothing moves), its legend
 * with the newest values, and the same numbers as a table.
 */
export const chartFigure = (chart: Chart): Html => {
  const lines = chart.lines.filter(({ values }) => values.some((value) => value !== null));
  const statistic = chart.kind === 'stacked' ? 'mean' : 'typical value';
  if (lines.length === 0) {
    return html`<figure class="chart card" id="chart-${chart.id}"><figcaption>${chart.title}</figcaption>
<p class="empty">Nothing was measured in this stretch of time.</p></figure>`;
  }
  return html`<figure class="chart card" id="chart-${chart.id}">
<figcaption>${chart.title} <span class="per">${statistic} per ${duration(chart.everyMs)}, ${chart.unit}</span></figcaption>
<div class="plot" data-plot="${chart.id}" data-keep role="img" aria-label="${chart.title}: chart; the numbers follow as a table"></div>
<ul class="legend">${lines.map(
    ({ key, label, values }, index) =>
      html`<li><svg class="swatch" width="22" height="10" aria-hidden="true">${
        chart.kind === 'stacked'
          ? html`<rect class="line-${key}" width="22" height="10"/>`
          : html`<line class="line-${key} dash-${index}" x1="0" y1="5" x2="22" y2="5"/>`
      }</svg>${label} <output data-line="${key}">${quantity(newestValue(chart, values), chart.unit)}</output></li>`,
  )}</ul>
${embedJson(`data-${chart.id}`, { ...chart, lines: lines.map(compact) })}
<details class="numbers"><summary>Numbers</summary>${numbers(chart, lines)}</details>
</figure>`;
};

/**
 * Of a line its own newest value. Of a stack the newest bucket's: a phase the last runs did not come
 * to has no value there, whatever it had before.
 */
const newestValue = (chart: Chart, values: Chart['lines'][number]['values']): number | null => {
  if (chart.kind === 'lines') return values.findLast((value) => value !== null) ?? null;
  const newest = chart.timesMs.findLastIndex((_, index) =>
    chart.lines.some((line) => line.values[index] !== null),
  );
  return values[newest] ?? null;
};

/** A tenth of a unit is finer than a pixel. */
const compact = (line: Chart['lines'][number]): Chart['lines'][number] => ({
  ...line,
  values: line.values.map((value) => (value === null ? null : Math.round(value * 10) / 10)),
});

const numbers = (chart: Chart, lines: Chart['lines']): Html => {
  const rows = chart.timesMs.flatMap((timeMs, index) => {
    const values = lines.map(({ values: own }) => own[index] ?? null);
    if (values.every((value) => value === null)) return [];
    const iso = new Date(timeMs).toISOString();
    return [
      [
        html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')}</time>`,
        ...values.map((value) => quantity(value, chart.unit)),
      ],
    ];
  });
  return table(
    `${chart.title}: numbers`,
    ['Time (UTC)', ...lines.map(({ label }) => `#${label}`)],
    rows.reverse(),
  );
};
