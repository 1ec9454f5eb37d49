import { type Html, html } from './html.ts';

const narrowSpace = '\u202f';

/** Milliseconds with at most one decimal below 10 and none above; a dash for what was not measured. */
export const ms = (value: number | null): string => quantity(value, 'ms');

export const quantity = (value: number | null, unit: string): string => {
  if (value === null) return '–';
  return unit === '' ? number(value) : `${number(value)}${narrowSpace}${unit}`;
};

const number = (value: number): string => {
  const rounded = Math.abs(value) < 9.95 ? Math.round(value * 10) / 10 : Math.round(value);
  const [whole = '0', decimals] = String(Math.abs(rounded)).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, narrowSpace);
  return `${rounded < 0 ? '−' : ''}${grouped}${decimals === undefined ? '' : `.${decimals}`}`;
};

/** A ratio in per cent; above 0 and below 1 % never reads as 0. */
export const percent = (ratio: number | null): string => {
  if (ratio === null) return '–';
  return quantity(ratio * 100, '%');
};

export const count = (value: number, one: string, many: string): string =>
  `${quantity(value, '')} ${value === 1 ? one : many}`;

export const bytes = (value: number | null): string => {
  if (value === null) return '–';
  if (value < 1_000) return quantity(value, 'B');
  if (value < 1_000_000) return quantity(value / 1_000, 'kB');
  return quantity(value / 1_000_000, 'MB');
};

/** "3 min ago", with the exact time on hover and for machines. */
export const when = (atMs: number | null, nowMs: number): Html => {
  if (atMs === null) return html`<span class="quiet">never</span>`;
  const iso = new Date(atMs).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${relative(nowMs - atMs)}</time>`;
};

const relative = (agoMs: number): string => {
  const length = duration(Math.abs(agoMs));
  if (length === 'moments') return 'just now';
  return agoMs >= 0 ? `${length} ago` : `in ${length}`;
};

/** A length of time in its largest sensible unit. */
export const duration = (lengthMs: number): string => {
  const seconds = lengthMs / 1_000;
  if (seconds < 5) return 'moments';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
};
