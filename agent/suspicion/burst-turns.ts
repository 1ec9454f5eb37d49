import { destinationOfUrl } from '#contract/authority.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import { type TakenTurn, takeTurns } from '../turns.ts';
import type { Suspicion } from './suspicion.ts';

/**
 * Routers answer about one expired packet a second, and a trace sends three to each: more often they
 * would fall silent and look like loss.
 */
const pathEverySeconds = 3;
/** The other way of the probe is there for comparison. */
const otherWayEvery = 5;
/** Of what fails by silence another run is worth more than the end of the first. */
const failingTimeoutMs = 20_000;

export type BurstProbes = {
  main: ProbeDefinition;
  /** Where it goes. */
  destination: { host: string; port: number };
  other: ProbeDefinition | undefined;
  /** To the edge, and to the application. */
  paths: readonly ProbeDefinition[];
};

/** What of the plan a burst measures; undefined: the probe has left it. */
export const chooseProbes = (
  plan: readonly ProbeDefinition[],
  { probeId, appId, oddness }: Suspicion,
  edge: { host: string; port: number } | null,
): BurstProbes | undefined => {
  const main = plan.find(({ id }) => id === probeId);
  if (main?.type !== 'http') return undefined;
  const other = plan.find(
    ({ pair, type, via }) =>
      main.pair !== undefined && pair === main.pair && type === main.type && via !== main.via,
  );
  const toEdge = plan.find(
    (probe) => probe.type === 'path' && probe.host === edge?.host && probe.port === edge.port,
  );
  const toApp = plan.find((probe) => probe.type === 'path' && probe.appId === appId);
  const bounded = (probe: ProbeDefinition): ProbeDefinition =>
    oddness === 'failing'
      ? { ...probe, timeoutMs: Math.min(probe.timeoutMs, failingTimeoutMs) }
      : probe;
  return {
    main: bounded(main),
    destination: destinationOfUrl(new URL(main.url)),
    other: other && bounded(other),
    paths: [toEdge, toApp].flatMap((probe) => (probe?.type === 'path' ? [shortOf(probe)] : [])),
  };
};

/** The way as it is now, without what takes its time. */
const shortOf = ({
  flows: _flows,
  branches: _branches,
  mtu: _mtu,
  names: _names,
  ...probe
}: Extract<ProbeDefinition, { type: 'path' }>): ProbeDefinition => ({ ...probe, packetCount: 3 });

/** What a tick begins; what is still under way is left out. */
export const turnsOfTick = (
  { main, other, paths }: BurstProbes,
  tick: number,
  everySeconds: number,
  isBusy: (probeId: string) => boolean,
): TakenTurn[] => {
  const isOtherDue = other !== undefined && tick % otherWayEvery === 0;
  const due = isBusy(main.id) ? [] : isOtherDue && !isBusy(other.id) ? [main, other] : [main];
  const pathTicks = Math.max(1, Math.round(pathEverySeconds / everySeconds));
  const traced = paths.filter((path, i) => tick % pathTicks === i % pathTicks && !isBusy(path.id));
  return [...takeTurns(due), ...traced.flatMap((path) => takeTurns([path]))];
};
