import type { CauseElement, CauseFamily } from '#contract/verdict.ts';
import { sayCount, sayMs } from '../../wording.ts';
import type { Accepted, EvidenceLine, InferOptions } from '../accepted.ts';
import type { BinView, Delta, PageCell } from '../bin-view.ts';
import { logLikelihood } from '../map/likelihood.ts';
import { markedApplication } from '../marked-ids.ts';
import { applicationOf } from '../services/accepted-cells.ts';
import { elementOf } from '../services/group.ts';
import { sharedWayRise, transferRise, wayRise } from '../services/way-rise.ts';

/** Many devices at once: their middle moves less by chance, and of a second or more nobody sees less. */
const pooled = { devices: 6, floorMs: 60, scales: 5 } as const;
/**
 * Nobody vouches for a lone device or a handful: twice the rise, in two loads in a row. Rendering is
 * the noisiest of what is measured.
 */
const lone = { floorMs: 100, scales: 5, share: 0.15 } as const;
/** One that stood in the bin before goes on at half of it. */
const formerShare = 0.55;
const penaltyNats = 9;
const contamination = { pooled: 1e-5, lone: 3e-4 } as const;
/** Round trips of a page beyond its document's: a slower way slows it by so many times as much. */
const tripsOfPage = 6;
/** Its document and at least one more: slow answers slow a page by so many times as much. */
const answersOfPage = 2;

/** What a page does after its document has come: its own work, and hosts it waits for. */
export const inferPages = (
  view: BinView,
  former: ReadonlySet<string>,
  options: InferOptions,
): Accepted[] => [
  ...view.pages.flatMap((page) => acceptRender(view, page, former, options)),
  ...acceptHosts(view, former, options),
];

type Loads = { appId: string; ageBins: number; deviceCount: number; delta: Delta };
type Rise = { ms: number; gainNats: number; pass: Accepted['pass'] };

const riseOf = (
  view: BinView,
  { delta, appId, deviceCount, ageBins }: Loads,
  isFormer: boolean,
  options: InferOptions,
  riseOfWay = wayRise,
): Rise | null => {
  if (!delta.ready) return null;
  // Loads of before were compared with the way as it was then: over with it, they begin nothing.
  if (ageBins > 0 && !isFormer) return null;
  const isPooled = options.fleet && deviceCount >= pooled.devices;
  const share = isFormer ? formerShare : 1;
  const found = isPooled ? pooledRise(delta, share) : loneRise(delta, share);
  if (found === null) return null;
  // The way to a page is not the page.
  if (found.ms < tripsOfPage * riseOfWay(view, appId)) return null;
  const scaleMs = found.pass === 'fast' ? delta.scaleMs : delta.persistentScaleMs;
  const share0 = isPooled ? contamination.pooled : contamination.lone;
  const gainNats =
    logLikelihood(0, Math.hypot(scaleMs, found.ms / 2), share0, true) -
    logLikelihood(found.ms, scaleMs, share0, true) -
    share * penaltyNats;
  return { ...found, gainNats: Math.max(0.5, gainNats) };
};

const pooledRise = ({ fastMs, scaleMs }: Delta, share: number): Pick<Rise, 'ms' | 'pass'> | null =>
  fastMs > share * Math.max(pooled.floorMs, pooled.scales * scaleMs)
    ? { ms: fastMs, pass: 'fast' }
    : null;

const loneRise = (
  { persistentMs, persistentScaleMs, normalMs }: Delta,
  share: number,
): Pick<Rise, 'ms' | 'pass'> | null =>
  persistentMs !== null &&
  persistentMs >
    share * Math.max(lone.floorMs, lone.scales * persistentScaleMs, lone.share * normalMs)
    ? { ms: persistentMs, pass: 'persistent' }
    : null;

const acceptRender = (
  view: BinView,
  page: PageCell,
  former: ReadonlySet<string>,
  options: InferOptions,
): Accepted[] => {
  const { appId, render, deviceCount, ageBins } = page;
  const key = `page:${appId}:delay`;
  const rise = riseOf(
    view,
    { delta: render, appId, deviceCount, ageBins },
    former.has(key),
    options,
  );
  if (rise === null || rise.ms < answersOfPage * transferRise(view, appId)) return [];
  const cleared = page.thirdParties.filter(({ delta }) => delta.fastMs < rise.ms / 3);
  return [
    accepted({
      view,
      key,
      family: 'page',
      element: elementOf(appId, `the page of ${markedApplication(appId)}`),
      rise,
      deviceCount,
      byApp: new Map([[appId, rise.ms]]),
      evidence: () => [
        {
          finding: 'against',
          text: `After its document has come, the page of ${markedApplication(appId)} takes ${sayMs(rise.ms)} longer than usual (${sayCount(deviceCount, 'device')}).`,
          value: rise.ms,
          baseline: 0,
          unit: 'ms',
        },
        ...hostsCleared(cleared.map(({ host }) => host)),
      ],
    }),
  ];
};

const hostsCleared = (hosts: readonly string[]): EvidenceLine[] =>
  hosts.length === 0
    ? []
    : [
        {
          finding: 'cleared',
          text: `Other hosts it loads from answer as usual: ${hosts.slice(0, 3).join(', ')}.`,
          value: hosts.length,
          baseline: null,
          unit: '',
        },
      ];

type HostRise = Loads & { rise: Rise };

/** One host is one cause, in however many pages it is. */
const acceptHosts = (
  view: BinView,
  former: ReadonlySet<string>,
  options: InferOptions,
): Accepted[] => {
  const byHost = new Map<string, (Loads & { rise: Rise | null })[]>();
  for (const { appId, thirdParties } of view.pages) {
    for (const { host, ...of } of thirdParties) {
      const loads = { ...of, appId };
      const rise = riseOf(view, loads, former.has(hostKey(host)), options, sharedWayRise);
      byHost.set(host, [...(byHost.get(host) ?? []), { ...loads, rise }]);
    }
  }
  return [...byHost]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([host, loads]) => {
      const rises = notOverSince(loads);
      return rises.length === 0 ? [] : [acceptHost(view, host, rises)];
    });
};

/** What older loads of one page waited for is over where newer ones of another do not wait. */
const notOverSince = (loads: readonly (Loads & { rise: Rise | null })[]): HostRise[] => {
  const wellSince = Math.min(
    ...loads
      .filter(({ rise, delta, deviceCount }) => {
        return rise === null && delta.ready && deviceCount >= pooled.devices;
      })
      .map(({ ageBins }) => ageBins),
  );
  return loads.flatMap(({ rise, ...of }) =>
    rise === null || of.ageBins > wellSince ? [] : [{ ...of, rise }],
  );
};

const hostKey = (host: string): string => `third-party:${host}:delay`;

const acceptHost = (view: BinView, host: string, rises: readonly HostRise[]): Accepted => {
  const [most] = [...rises].sort((a, b) => b.rise.gainNats - a.rise.gainNats) as [HostRise];
  return accepted({
    view,
    key: hostKey(host),
    family: 'third-party',
    element: elementOf(host, `the host ${host}`),
    rise: most.rise,
    deviceCount: Math.max(...rises.map(({ deviceCount }) => deviceCount)),
    byApp: new Map(rises.map(({ appId, rise }) => [appId, rise.ms])),
    evidence: (appId) => {
      const { delta, deviceCount } = rises.find((each) => each.appId === appId) ?? most;
      return [
        {
          finding: 'against',
          text: `The slowest request to ${host} takes ${sayMs(delta.nowMs)}, normally ${sayMs(delta.normalMs)} (${sayCount(deviceCount, 'device')}).`,
          value: delta.nowMs,
          baseline: delta.normalMs,
          unit: 'ms',
        },
      ];
    },
  });
};

const accepted = ({
  view,
  key,
  family,
  element,
  rise,
  deviceCount,
  byApp,
  evidence,
}: {
  view: BinView;
  key: string;
  family: CauseFamily;
  element: CauseElement;
  rise: Rise;
  deviceCount: number;
  byApp: ReadonlyMap<string, number>;
  evidence: (appId: string) => EvidenceLine[];
}): Accepted => ({
  key,
  family,
  kind: 'delay',
  segment: 'page',
  element,
  scope: 'application',
  addedMs: rise.ms,
  lossRatio: null,
  gainNats: rise.gainNats,
  marginNats: rise.gainNats,
  runnerUp: null,
  observerCount: deviceCount,
  healthyCount: 0,
  pass: rise.pass,
  costMs: (deviceIndex, appId) =>
    byApp.has(appId) && applicationOf(view, deviceIndex, appId) !== undefined
      ? (byApp.get(appId) ?? 0)
      : 0,
  elementFor: () => element,
  evidenceFor: (_deviceIndex, appId) => evidence(appId),
});
