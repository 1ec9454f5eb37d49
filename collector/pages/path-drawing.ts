import type { PathHop, PathLeg } from '../triage/views.ts';
import { ms, percent, when } from './format.ts';
import { type Html, html } from './html.ts';
import { empty } from './layout.ts';

/** The path hop by hop: the legs side by side, each from its first node to its last. */
export const pathDrawing = (legs: readonly PathLeg[], nowMs: number): Html => {
  if (legs.length === 0) return empty('No path was measured yet.');
  const topMs = Math.max(1, ...legs.flatMap(legRtts));
  return html`<div class="path">${legs.map((leg) => legDrawing(leg, topMs, nowMs))}</div>`;
};

const legNames = {
  'to-edge': 'Leg 1',
  onward: 'Leg 2',
  direct: 'Direct',
} as const satisfies Record<PathLeg['name'], string>;

const legRtts = (leg: PathLeg): number[] => [
  leg.rttMs ?? 0,
  ...leg.hops.map(({ rttMs }) => rttMs ?? 0),
];

const legDrawing = (leg: PathLeg, topMs: number, nowMs: number): Html => {
  const end = endOf(leg);
  const hops = end === null ? leg.hops : leg.hops.slice(0, -1);
  const title = `${legNames[leg.name]}: ${leg.from} to ${leg.to}`;
  return html`<section class="leg" aria-label="${title}">
<h3><span class="quiet">${legNames[leg.name]}</span> to ${leg.to} <span class="leg-rtt">${leg.rttMs === null ? 'not measured' : html`${ms(leg.rttMs)} round trip`}</span></h3>
<p class="facts">${leg.how !== '' && html`<span>${leg.how}</span>`}${leg.lossRatio !== null && html`<span>${percent(leg.lossRatio)} unanswered</span>`}${leg.measuredAt !== null && html`<span>${when(leg.measuredAt, nowMs)}</span>`}</p>
<ol class="hops">
<li class="hop end"><span class="dot" aria-hidden="true"></span><b>${leg.from}</b></li>
${
  leg.missing === ''
    ? hops.map((hop) => hopDrawing(hop, topMs))
    : html`<li class="hop gap"><span class="dot" aria-hidden="true"></span><span>Hops not measured: ${leg.missing}</span></li>`
}
<li class="hop end${leg.reached === false && ' unreached'}"><span class="dot" aria-hidden="true"></span><span class="hop-name"><b>${leg.to}</b> ${end === null ? leg.reached === false && html`<span class="quiet">did not answer</span>` : html`<code>${end.address}</code>`}</span><span class="hop-rtt">${ms(leg.rttMs)}${added(end)}</span>${end !== null && rttBar(end.rttMs, topMs)}</li>
</ol></section>`;
};

/** The end's own answer, where the last hop is it. */
const endOf = ({ hops, address }: PathLeg): PathHop | null => {
  const last = hops.at(-1);
  return last !== undefined && last.address !== null && last.address === address ? last : null;
};

const added = (hop: PathHop | null): Html | null =>
  hop === null || hop.addedMs === null || hop.addedMs < 0.05
    ? null
    : html` <span class="added">+${ms(hop.addedMs)}</span>`;

const rttBar = (rttMs: number | null, topMs: number): Html =>
  html`<svg class="hop-bar" width="100%" height="4" aria-hidden="true"><rect width="${(((rttMs ?? 0) / topMs) * 100).toFixed(1)}%" height="4" rx="2"/></svg>`;

const hopDrawing = (hop: PathHop, topMs: number): Html => {
  if (hop.address === null) {
    return html`<li class="hop silent"><span class="dot" aria-hidden="true"></span><span class="hop-name"><span class="ttl">${hop.ttl}</span>silent hop</span></li>`;
  }
  return html`<li class="hop"><span class="dot" aria-hidden="true"></span><span class="hop-name"><span class="ttl">${hop.ttl}</span><code>${hop.address}</code>${hop.about !== '' && html` <span class="quiet">${hop.about}</span>`}</span><span class="hop-rtt">${ms(hop.rttMs)}${added(hop)}</span>${rttBar(hop.rttMs, topMs)}</li>`;
};
