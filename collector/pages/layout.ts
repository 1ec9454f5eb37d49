import { type WindowName, windowNames } from '../triage/window.ts';
import { type Html, type HtmlValue, html } from './html.ts';

/** What every page is drawn with, besides its view. */
export type Frame = {
  nowMs: number;
  window: WindowName;
  /** Folder of this version's assets, ending in a slash. */
  assetsUrl: string;
};

const sections = [
  { href: '/', label: 'Applications' },
  { href: '/devices', label: 'Devices' },
  { href: '/edges', label: 'Edges' },
  { href: '/incidents', label: 'Incidents' },
] as const;

export type Section = (typeof sections)[number]['href'];

/** The whole document around a page's body. */
export const layout = (
  frame: Pick<Frame, 'assetsUrl' | 'nowMs'>,
  page: { title: string; section: Section | null; body: Html },
): Html => {
  const { assetsUrl } = frame;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} · whyslow</title>
<link rel="icon" href="${assetsUrl}icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${assetsUrl}uplot.css">
<link rel="stylesheet" href="${assetsUrl}app.css">
<script type="module" src="${assetsUrl}app.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="/">whyslow</a>
<nav class="sections" aria-label="Sections">${sections.map(
    ({ href, label }) =>
      html`<a href="${href}"${page.section === href && html` aria-current="page"`}>${label}</a>`,
  )}</nav>
<div class="live"><span id="live-status" role="status"></span><button id="live-pause" type="button" hidden>Pause updates</button></div>
</header>
<main id="main" tabindex="-1" data-drawn-at="${frame.nowMs}">
${page.body}
</main>
</body>
</html>
`;
};

/** Links for the stretch of time the page looks at. */
export const windowChoice = (frame: Frame, path: string): Html =>
  html`<nav class="windows" aria-label="Stretch of time">${windowNames.map(
    (name) =>
      html`<a href="${path}?window=${name}"${name === frame.window && html` aria-current="true"`}>${name}</a>`,
  )}</nav>`;

/** The way back up. */
export const crumbs = (...links: readonly { href: string; label: string }[]): Html =>
  html`<nav class="crumbs" aria-label="Breadcrumb">${links.map(
    ({ href, label }, index) =>
      html`${index > 0 && html`<span aria-hidden="true">›</span>`}<a href="${href}">${label}</a>`,
  )}</nav>`;

/** A table that scrolls by itself where it is wider than the page. */
export const table = (
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly HtmlValue[])[],
): Html => html`<div class="scroller" tabindex="0" role="region" aria-label="${caption}">
<table><caption class="hidden-text">${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col"${isNumeric(column) && html` class="number"`}>${withoutMark(column)}</th>`)}</tr></thead>
<tbody>${rows.map(
  (cells) =>
    html`<tr>${cells.map((cell, index) => html`<td${isNumeric(columns[index] ?? '') && html` class="number"`}>${cell}</td>`)}</tr>`,
)}</tbody></table></div>`;

/** A column whose title starts with `#` holds numbers and is set to the right. */
const isNumeric = (column: string): boolean => column.startsWith('#');
const withoutMark = (column: string): string => column.replace(/^#/, '');

/** What stands where there is nothing yet: says what to do. */
export const empty = (...content: HtmlValue[]): Html => html`<p class="empty">${content}</p>`;
