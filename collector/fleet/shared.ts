import { levelOf } from '#collector/diagnose/fleet/verdict/incident-facts.ts';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';

/** One who suffers from an incident, for its page. */
export type Affected = { deviceId: string; appId: string; addedMs: number };

/** An incident in one bin, for its chart. */
export type HistoryLine = {
  atMs: number;
  /** On one crossing; null: a loss or a failure. */
  ms: number | null;
  lossRatio: number | null;
  deviceCount: number;
};

/** An incident as one shard sees it, or as all together do. */
export type Shared = {
  incident: SharedIncident;
  affected: readonly Affected[];
  history: readonly HistoryLine[];
};

/** Kept of each incident: the table and the chart of its page. */
const maxAffected = 100;
const maxHistory = 500;

/** What makes incidents of several shards one. */
export const keyOf = ({ causeKind, segment, element }: SharedIncident): string =>
  `${causeKind} ${segment} ${element.id}`;

/** What a bin says of one incident, on top of what is known of it. */
export const afterBin = (
  former: Shared | undefined,
  incident: SharedIncident,
  bin: { toMs: number; verdicts: readonly Verdict[] },
): Shared => {
  const affected = affectedBy(incident.id, bin.verdicts);
  const line = {
    atMs: bin.toMs,
    ms: incident.perRoundTripMs,
    lossRatio: incident.lossRatio,
    deviceCount: incident.deviceCount,
  };
  const history = (former?.history ?? []).filter(({ atMs }) => atMs < bin.toMs);
  return {
    incident,
    // Of one that has ended: those of its last bin.
    affected: affected.length > 0 ? affected : (former?.affected ?? []),
    history: incident.seenAt < bin.toMs ? history : [...history, line].slice(-maxHistory),
  };
};

const affectedBy = (id: string, verdicts: readonly Verdict[]): Affected[] =>
  most(
    verdicts.flatMap(({ deviceId, appId, causes = [] }) => {
      const cause = causes.find(({ incidentId }) => incidentId === id);
      return cause === undefined ? [] : [{ deviceId, appId, addedMs: cause.addedMs }];
    }),
  );

const most = (affected: readonly Affected[]): Affected[] =>
  [...affected]
    .sort(
      (a, b) =>
        b.addedMs - a.addedMs || (`${a.deviceId} ${a.appId}` < `${b.deviceId} ${b.appId}` ? -1 : 1),
    )
    .slice(0, maxAffected);

/** One that a shard sees. */
export type PartOfShared = Shared & { shard: string };

/**
 * Several shards' views of one incident as one: counts added, words of the shard that has most of
 * it. Those that no longer see it say what has been, those that do what is.
 */
export const merge = (
  id: string,
  parts: readonly PartOfShared[],
  activeDeviceCount: number,
): Shared => {
  const [only] = parts;
  if (!only) throw new Error('nothing to merge');
  const { incident, affected, history } = only;
  if (parts.length === 1) return { affected, history, incident: { ...incident, id } };
  const live = parts.filter(({ incident }) => incident.endedAt === null);
  const now = newestOfShards(live.length > 0 ? live : parts);
  const largest = now.reduce((a, b) => (b.incident.deviceCount > a.incident.deviceCount ? b : a));
  const all = parts.map(({ incident }) => incident);
  const sum = (of: readonly Shared[], count: (incident: SharedIncident) => number) =>
    of.reduce((total, { incident }) => total + count(incident), 0);
  const deviceCount = sum(now, (one) => one.deviceCount);
  return {
    incident: {
      ...largest.incident,
      id,
      level: levelOf(deviceCount, activeDeviceCount),
      startedAt: Math.min(...all.map(({ startedAt }) => startedAt)),
      seenAt: Math.max(...all.map(({ seenAt }) => seenAt)),
      endedAt: live.length > 0 ? null : Math.max(...all.map(({ endedAt }) => endedAt ?? 0)),
      deviceCount,
      pairCount: sum(now, (one) => one.pairCount),
      healthyDeviceCount: sum(now, (one) => one.healthyDeviceCount),
      impactMsMinutes: sum(parts, (one) => one.impactMsMinutes),
      confidence: Math.max(...now.map(({ incident }) => incident.confidence)),
    },
    affected: most(parts.flatMap(({ affected }) => affected)),
    history: mergeHistory(parts),
  };
};

/**
 * Of one shard one: an engine that began anew opened it again, or two causes lie at one element. Their
 * devices are the same.
 */
const newestOfShards = (parts: readonly PartOfShared[]): PartOfShared[] => {
  const newest = new Map<string, PartOfShared>();
  for (const part of parts) {
    const known = newest.get(part.shard);
    if (known === undefined || isNewer(part.incident, known.incident)) newest.set(part.shard, part);
  }
  return [...newest.values()];
};

const isNewer = (a: SharedIncident, b: SharedIncident): boolean =>
  a.seenAt > b.seenAt || (a.seenAt === b.seenAt && a.deviceCount > b.deviceCount);

const mergeHistory = (parts: readonly Shared[]): HistoryLine[] => {
  const lines = new Map<number, HistoryLine>();
  for (const line of parts.flatMap(({ history }) => history)) {
    const known = lines.get(line.atMs);
    lines.set(line.atMs, known === undefined ? line : added(known, line));
  }
  return [...lines.values()].sort((a, b) => a.atMs - b.atMs).slice(-maxHistory);
};

const added = (a: HistoryLine, b: HistoryLine): HistoryLine => ({
  atMs: a.atMs,
  ms: larger(a.ms, b.ms),
  lossRatio: larger(a.lossRatio, b.lossRatio),
  deviceCount: a.deviceCount + b.deviceCount,
});

const larger = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);

/** More than one device: told by itself, and not once for each of them. */
export const isShared = ({ scope, deviceCount }: SharedIncident): boolean =>
  scope !== 'device' && deviceCount > 1;
