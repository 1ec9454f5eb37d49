import type { Cause, Method } from '../finding.ts';
import { elementOf } from '../finding.ts';
import type { AppFeatures, Features, FeaturesOf } from './features.ts';
import { tracesOf } from './largest-hop.ts';
import { causeOf, say, surplusMs } from './say.ts';

type Said = Omit<Cause, 'kind' | 'startedAt'>;

const leastHitRatio = 0.7;

/**
 * B6: Boolean tomography. Every transaction is good or bad and crosses a set of things; the thing
 * of whose crossings at least 70 % are bad and that covers most of the unexplained ones is at
 * fault, again until none is left (SCORE, MaxCoverage).
 */
export const createMaxCoverage = (featuresOf: FeaturesOf): Method => ({
  name: 'Boolean tomography (B6)',
  close: (observed) => {
    const features = featuresOf(observed);
    const crossings = features.apps.map((app) => ({ app, things: thingsOf(app, features) }));
    const bad = crossings.filter(({ app }) => app.isSlow || app.isPageSlow);
    if (bad.length === 0) return [];
    const blamed = cover(crossings, bad);
    return bad.map(({ app }) => {
      const said = blamed.get(app);
      return say(app, said === undefined ? undefined : { ...said, addedMs: surplusMs(app) });
    });
  },
});

type Crossing = { app: AppFeatures; things: ReadonlyMap<string, Said> };

const cover = (all: readonly Crossing[], bad: readonly Crossing[]): Map<AppFeatures, Said> => {
  const crossed = new Map<string, number>();
  for (const { things } of all)
    for (const id of things.keys()) crossed.set(id, (crossed.get(id) ?? 0) + 1);
  const hits = new Map<string, number>();
  for (const { things } of bad)
    for (const id of things.keys()) hits.set(id, (hits.get(id) ?? 0) + 1);
  const suspects = new Set(
    [...hits]
      .filter(([id, hit]) => hit >= leastHitRatio * (crossed.get(id) ?? 0))
      .map(([id]) => id),
  );
  const blamed = new Map<AppFeatures, Said>();
  let left = [...bad];
  while (left.length > 0) {
    const best = mostCovering(left, suspects);
    if (best === undefined) return blamed;
    for (const { app, things } of left) {
      const said = things.get(best);
      if (said !== undefined) blamed.set(app, said);
    }
    left = left.filter(({ things }) => !things.has(best));
  }
  return blamed;
};

/** Of equals the one that comes first on the way: fewer others cross it. */
const mostCovering = (left: readonly Crossing[], suspects: ReadonlySet<string>) => {
  const counts = new Map<string, number>();
  for (const { things } of left)
    for (const id of things.keys()) if (suspects.has(id)) counts.set(id, (counts.get(id) ?? 0) + 1);
  let best: { id: string; count: number } | undefined;
  for (const [id, count] of counts)
    if (best === undefined || count > best.count) best = { id, count };
  return best?.id;
};

const thingsOf = (app: AppFeatures, features: Features): Map<string, Said> => {
  const device = features.devices.get(app.deviceId);
  const things = new Map<string, Said>();
  const add = (said: Said) => things.set(`${said.segment} ${said.element.id}`, said);
  add(causeOf('wifi', 'gateway', app.deviceId, 0));
  add(causeOf('gateway', 'gateway', device?.siteId ?? app.deviceId, 0));
  for (const { hops, segment } of tracesOf(app, features)) {
    for (const [index, { address, asn }] of hops.entries()) {
      const from = hops[index - 1]?.address;
      if (from === undefined) continue;
      const family = segment === 'client-edge' && index === 1 ? 'last-mile' : 'link';
      const element = elementOf(`${from}>${address}`, { from, to: address, asn });
      add({ family, segment, element, addedMs: 0 });
    }
  }
  if (app.edgeId !== null) add(causeOf('edge', 'in-edge', app.edgeId, 0));
  if (app.frontEnd !== null) add(causeOf('front-end', 'server', app.frontEnd, 0));
  add(causeOf('application', 'server', app.appId, 0));
  return things;
};
