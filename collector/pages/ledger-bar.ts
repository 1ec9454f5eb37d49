import { type Ledger, type LedgerPart, segmentNames } from '#contract/verdict.ts';
import { ms } from './format.ts';
import { type Html, html } from './html.ts';
import { table } from './layout.ts';

/** Width of the mark that stands for a part whose time is not known, in per cent of the bar. */
const unmeasuredWidth = 1.6;

type Column = 'ms' | 'baselineMs';

/** Where the time goes: now and usually, one bar each on one scale, and the same as a table. */
export const ledgerFigure = (ledger: Ledger): Html => {
  const scaleMs = Math.max(
    stackedMs(ledger, 'ms') + Math.max(0, ledger.residualMs),
    stackedMs(ledger, 'baselineMs'),
    ledger.totalMs,
    ledger.baselineTotalMs ?? 0,
    0.1,
  );
  const hasBaseline = ledger.parts.some(({ baselineMs }) => baselineMs !== null);
  return html`<div class="ledger">
${hatchPatterns}
${bar('Now', ledger, 'ms', scaleMs, ledger.totalMs)}
${
  hasBaseline
    ? bar('Usual', ledger, 'baselineMs', scaleMs, ledger.baselineTotalMs)
    : html`<p class="quiet">There is no baseline yet: this application’s own past is too short.</p>`
}
${ledgerTable(ledger)}
</div>`;
};

const stackedMs = ({ parts }: Ledger, column: Column): number =>
  parts.reduce((sum, part) => sum + (part[column] ?? 0), 0);

const hatchPatterns = html`<svg width="0" height="0" class="definitions" aria-hidden="true"><defs>
<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch-ground" width="6" height="6"/><line class="hatch-line" x1="0" y1="0" x2="0" y2="6"/></pattern>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="hatch-ground" width="6" height="6"/><circle class="hatch-dot" cx="3" cy="3" r="1.2"/></pattern>
</defs></svg>`;

const bar = (
  label: string,
  ledger: Ledger,
  column: Column,
  scaleMs: number,
  totalMs: number | null,
): Html => {
  const missing = ledger.parts.filter((part) => part[column] === null).length;
  // Marks of unmeasured parts have no length of their own: the measured ones make room for them.
  const share = (value: number) => (value / scaleMs) * (100 - missing * unmeasuredWidth);
  let at = 0;
  const place = (width: number) => {
    const start = at;
    at += width;
    return { start, width };
  };
  const pieces = ledger.parts.map((part) => {
    const value = part[column];
    return value === null
      ? unmeasuredPiece(part, place(unmeasuredWidth))
      : measuredPiece(part, value, place(share(value)));
  });
  const residualMs = column === 'ms' ? ledger.residualMs : 0;
  return html`<div class="bar"><div class="bar-label"><b>${label}</b> ${ms(totalMs)}</div>
<svg class="bar-drawing" width="100%" height="38" role="img" aria-label="${label}: ${ms(totalMs)}, split as in the table below">${pieces}${
    residualMs > 0 && residualPiece(residualMs, place(share(residualMs)))
  }</svg></div>`;
};

type Place = { start: number; width: number };

const measuredPiece = (part: LedgerPart, value: number, { start, width }: Place): Html => {
  const label = `${segmentNames[part.segment]}: ${ms(value)}`;
  return html`<svg x="${start.toFixed(2)}%" width="${width.toFixed(2)}%" height="38"><title>${label}</title><rect class="segment segment-${part.segment}" width="100%" height="38"/>${
    width > 14 &&
    html`<text class="on-${part.segment}" x="7" y="23">${shortNames[part.segment]} ${ms(value)}</text>`
  }</svg>`;
};

const unmeasuredPiece = (part: LedgerPart, { start, width }: Place): Html =>
  html`<svg x="${start.toFixed(2)}%" width="${width.toFixed(2)}%" height="38"><title>${segmentNames[part.segment]}: not measured</title><rect class="segment" fill="url(#hatch)" width="100%" height="38"/></svg>`;

const residualPiece = (value: number, { start, width }: Place): Html =>
  html`<svg x="${start.toFixed(2)}%" width="${width.toFixed(2)}%" height="38"><title>not explained by any part: ${ms(value)}</title><rect class="segment" fill="url(#dots)" width="100%" height="38"/></svg>`;

/** Names that fit into a bar. */
const shortNames = {
  device: 'device',
  gateway: 'LAN',
  'client-edge': 'to the edge',
  'tunnel-queue': 'queue',
  'in-edge': 'edge',
  'edge-origin': 'to the app',
  dns: 'DNS',
  tls: 'TLS',
  server: 'server',
  transfer: 'transfer',
  page: 'page',
} as const satisfies Record<LedgerPart['segment'], string>;

const ledgerTable = (ledger: Ledger): Html =>
  table(
    'Where the time goes',
    ['Part', '#Now', '#Usual', '#Added', 'How it was measured'],
    [
      ...ledger.parts.map((part) => [
        html`<svg class="swatch" width="14" height="14" aria-hidden="true"><rect class="segment-${part.segment}" width="14" height="14"${part.ms === null && html` fill="url(#hatch)" data-hatched`}/></svg>${segmentNames[part.segment]}`,
        part.ms === null ? html`<span class="unmeasured">not measured</span>` : ms(part.ms),
        ms(part.baselineMs),
        part.addedMs === null ? '–' : part.addedMs > 0 ? html`<b>+${ms(part.addedMs)}</b>` : ms(0),
        html`<span class="quiet">${part.how}</span>`,
      ]),
      [
        html`<svg class="swatch" width="14" height="14" aria-hidden="true"><rect fill="url(#dots)" width="14" height="14"/></svg>not explained`,
        ms(ledger.residualMs),
        '–',
        '–',
        html`<span class="quiet">total minus the parts${ledger.residualMs < 0 && ': the parts overlap'}</span>`,
      ],
      [
        html`<b>total</b>`,
        html`<b>${ms(ledger.totalMs)}</b>`,
        html`<b>${ms(ledger.baselineTotalMs)}</b>`,
        '',
        '',
      ],
    ],
  );
