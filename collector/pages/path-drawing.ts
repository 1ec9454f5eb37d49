import type { PathHop, PathLeg } from '../triage/views.ts';
import { ms, percent, when } from './format.ts';
import { type Html, html } from './html.ts';
import { empty } from './layout.ts';

/** The path hop by hop: the legs side by side, each from its first node to its last. */
export const pathDrawing = (legs: readonly PathLeg[], nowMs: number): Html => {
  if (legs.length === 0) return empty('No path was measured yet.');
  const topMs = Math.max(1, ...legs.flatMap(legRtts));
  return html`<div class="path">${legs.map((leg, index) => legDrawing(leg, index + 1, topMs, nowMs))}</div>`;
};

const legRtts = (leg: PathLeg): number[] => [
  leg.rttMs ?? 0,
  ...leg.hops.map(({ rttMs }) => rttMs ?? 0),
];

const legDrawing = (leg: PathLeg, number: number, topMs: number, nowMs: number): Html => {
  const title = `Leg ${number}: ${leg.from} to ${leg.to}`;
  return html`<section class="leg" aria-label="${title}">
<h3><span class="quiet">Leg ${number}</span> <span class="leg-rtt">${leg.rttMs === null ? 'not measured' : html`${ms(leg.rttMs)} round trip`}</span></h3>
<p class="facts">${leg.how !== '' && html`<span>${leg.how}</span>`}${leg.lossRatio !== null && html`<span>${percent(leg.lossRatio)} unanswered</span>`}${leg.measuredAt !== null && html`<span>${when(leg.measuredAt, nowMs)}</span>`}</p>
<ol class="hops">
<li class="hop end"><span class="dot" aria-hidden="true"></span><b>${leg.from}</b></li>
${
  leg.missing === ''
    ? leg.hops.map((hop) => hopDrawing(hop, topMs))
    : html`<li class="hop gap"><span class="dot" aria-hidden="true"></span><span>Hops not measured: ${leg.missing}</span></li>`
}
<li class="hop end${leg.reached === false && ' unreached'}"><span class="dot" aria-hidden="true"></span><b>${leg.to}</b>${leg.reached === false && html` <span class="quiet">did not answer</span>`}<span class="hop-rtt">${leg.rttMs !== null && ms(leg.rttMs)}</span></li>
</ol></section>`;
};

const hopDrawing = (hop: PathHop, topMs: number): Html => {
  if (hop.address === null) {
    return html`<li class="hop silent"><span class="dot" aria-hidden="true"></span><span class="hop-name"><span class="ttl">${hop.ttl}</span>silent hop</span></li>`;
  }
  const width = hop.rttMs === null ? 0 : (hop.rttMs / topMs) * 100;
  return html`<li class="hop"><span class="dot" aria-hidden="true"></span><span class="hop-name"><span class="ttl">${hop.ttl}</span><code>${hop.address}</code></span><span class="hop-rtt">${ms(hop.rttMs)}${hop.addedMs !== null && hop.addedMs >= 0.05 && html` <span class="added">+${ms(hop.addedMs)}</span>`}</span><svg class="hop-bar" width="100%" height="4" aria-hidden="true"><rect width="${width.toFixed(1)}%" height="4" rx="2"/></svg></li>`;
};
