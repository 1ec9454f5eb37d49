import { createHash } from 'node:crypto';
import type { Segment, Verdict } from '#contract/verdict.ts';

/** Ok verdicts in a row that end an incident. */
const okVerdictsToClose = 3;
/** Verdicts in a row that open it when the first one was not clear enough to do so at once. */
const verdictsToOpen = 3;
/**
 * A slow verdict rests on two bad runs already; one that is at least this sure and names at least
 * this much opens at once, so that an incident is open within two probe intervals of the fault's
 * start. Below 100 ms a person feels no wait, and on a busy device a few runs in a row can be that
 * slow: smaller ones have to last.
 */
const clear = { confidence: 0.5, addedMs: 100 } as const;

/** One problem of one device with one application. The columns of the state's table, by name. */
export type Incident = {
  id: string;
  deviceId: string;
  appId: string;
  segment: Segment | null;
  state: 'pending' | 'open' | 'closed';
  /** Time of the first slow or failing verdict. */
  firstSlowAt: number;
  openedAt: number | null;
  closedAt: number | null;
  /** Verdicts in a row towards the next state: bad ones while pending, ok ones while open. */
  streak: number;
  openingVerdict: Verdict | null;
  latestVerdict: Verdict;
  /** The shared incident that was told in its place; null: it was told by itself. */
  toldBy: string | null;
};

export type IncidentStep = {
  /** What to keep; undefined: there is no incident (a pending one that recovered is removed). */
  incident: Incident | undefined;
  /** `opened` and `closed` are the two a webhook hears of. */
  change: 'none' | 'pending' | 'opened' | 'closed' | 'removed';
};

/**
 * What a verdict does to the newest incident of its device and application. Pass the newest one
 * even when it is closed, so that a late verdict about the time before its end opens no second
 * one. A verdict that is not newer than the latest one changes nothing; an inconclusive one
 * neither opens nor closes and does not break a row.
 */
export const nextIncident = (current: Incident | undefined, verdict: Verdict): IncidentStep => {
  if (current !== undefined && verdict.at <= current.latestVerdict.at) {
    return { incident: current, change: 'none' };
  }
  const live = current === undefined || current.state === 'closed' ? undefined : current;
  switch (verdict.state) {
    case 'inconclusive':
      return { incident: live ? { ...live, latestVerdict: verdict } : current, change: 'none' };
    case 'ok':
      return live ? afterOk(live, verdict) : { incident: current, change: 'none' };
    case 'slow':
    case 'failing':
      return live ? afterBad(live, verdict) : begin(verdict);
  }
};

/** One that had begun and ended before anybody heard of it. */
export const pastIncident = (
  verdict: Verdict,
  { fromMs, endedAtMs }: { fromMs: number; endedAtMs: number },
): Incident => ({
  ...(begin(verdict).incident as Incident),
  state: 'closed',
  firstSlowAt: fromMs,
  openedAt: verdict.at,
  closedAt: endedAtMs,
  openingVerdict: verdict,
});

/** The same evidence begins the same incident, however often its job is run. */
const incidentId = (verdict: Verdict): string => {
  const hash = createHash('sha256')
    .update(`${verdict.deviceId}\n${verdict.appId}\n${verdict.at}`)
    .digest('hex');
  // RFC 9562 §5.8: version 8, the bits are ours but for version and variant.
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
};

const isClear = ({ confidence, addedMs }: Verdict): boolean =>
  confidence >= clear.confidence && (addedMs ?? 0) >= clear.addedMs;

const begin = (verdict: Verdict): IncidentStep => {
  const pending: Incident = {
    id: incidentId(verdict),
    deviceId: verdict.deviceId,
    appId: verdict.appId,
    segment: verdict.segment,
    state: 'pending',
    firstSlowAt: verdict.at,
    openedAt: null,
    closedAt: null,
    streak: 1,
    openingVerdict: null,
    latestVerdict: verdict,
    toldBy: null,
  };
  return verdict.state === 'failing' || isClear(verdict)
    ? open(pending, verdict)
    : { incident: pending, change: 'pending' };
};

const open = (pending: Incident, verdict: Verdict): IncidentStep => ({
  incident: {
    ...pending,
    state: 'open',
    segment: verdict.segment,
    openedAt: verdict.at,
    streak: 0,
    openingVerdict: verdict,
    latestVerdict: verdict,
  },
  change: 'opened',
});

const afterBad = (live: Incident, verdict: Verdict): IncidentStep => {
  const segment = verdict.segment ?? live.segment;
  if (live.state === 'open') {
    return { incident: { ...live, segment, streak: 0, latestVerdict: verdict }, change: 'none' };
  }
  const streak = live.streak + 1;
  return streak >= verdictsToOpen
    ? open(live, verdict)
    : { incident: { ...live, segment, streak, latestVerdict: verdict }, change: 'none' };
};

const afterOk = (live: Incident, verdict: Verdict): IncidentStep => {
  if (live.state === 'pending') return { incident: undefined, change: 'removed' };
  const streak = live.streak + 1;
  if (streak < okVerdictsToClose) {
    return { incident: { ...live, streak, latestVerdict: verdict }, change: 'none' };
  }
  return {
    incident: { ...live, state: 'closed', closedAt: verdict.at, streak, latestVerdict: verdict },
    change: 'closed',
  };
};
