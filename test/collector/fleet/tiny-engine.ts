import { createHash } from 'node:crypto';
import type { FleetEngine, MakeEngine, Outcome } from '#collector/fleet/engine.ts';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';

/** One run of 500 ms or more is slow, and the application is why: enough to see what a tick does. */
const slowMs = 500;

type State = {
  /** Newest closed. */
  bin: number;
  /** Runs of each bin that came in time, and late ones. */
  counts: Record<string, number>;
  lateCount: number;
  /** Application → bin in which it began to be slow. */
  since: Record<string, number>;
};

/** The engines that were made, for tests to look into. */
export const tinyEngines = () => {
  const made: { state: State; wasSaved: boolean }[] = [];
  const make: MakeEngine = async ({ binMs }, saved) => {
    const state: State = saved
      ? (JSON.parse(Buffer.from(saved).toString()) as State)
      : { bin: -1, counts: {}, lateCount: 0, since: {} };
    made.push({ state, wasSaved: saved !== undefined });
    return tinyEngine(binMs, state);
  };
  return { make, made };
};

const tinyEngine = (binMs: number, state: State): FleetEngine => {
  let open = new Map<string, { deviceId: string; appId: string; ms: number }>();
  let devices = new Set<string>();

  const close = (bin: number): Outcome => {
    const toMs = (bin + 1) * binMs;
    const slow = [...open.values()].filter(({ ms }) => ms >= slowMs);
    const apps = [...new Set(slow.map(({ appId }) => appId))].sort();
    const ended = Object.keys(state.since).filter((appId) => !apps.includes(appId));
    for (const appId of apps) state.since[appId] ??= bin;
    const incidents = [...apps, ...ended].map((appId) =>
      incidentOf(appId, {
        sinceBin: state.since[appId] ?? bin,
        binMs,
        toMs,
        isOver: ended.includes(appId),
        deviceCount: slow.filter((one) => one.appId === appId).length,
        healthyCount: devices.size - slow.filter((one) => one.appId === appId).length,
      }),
    );
    const verdicts = slow.map((one) =>
      verdictOf(
        one,
        toMs,
        binMs,
        incidents.find(({ element }) => element.id === one.appId),
      ),
    );
    for (const appId of ended) delete state.since[appId];
    state.bin = bin;
    open = new Map();
    devices = new Set();
    return { fromMs: toMs - binMs, toMs, verdicts, incidents };
  };

  return {
    async observe(readings) {
      for (const reading of readings) {
        if (reading.kind !== 'http') continue;
        const bin = Math.floor(reading.timeMs / binMs);
        if (bin <= state.bin) {
          state.lateCount += 1;
          continue;
        }
        state.counts[bin] = (state.counts[bin] ?? 0) + 1;
        const { deviceId, appId } = reading;
        devices.add(deviceId);
        open.set(`${deviceId} ${appId}`, { deviceId, appId, ms: reading.totalMs ?? 0 });
      }
    },
    advanceTo: async (timeMs) => [close(Math.floor(timeMs / binMs) - 1)],
    learn: async () => undefined,
    save: async () => Buffer.from(JSON.stringify(state)),
    stop: async () => undefined,
  };
};

const uuidOf = (text: string): string => {
  const hash = createHash('sha256').update(text).digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
};

const elementOf = (appId: string) => ({
  id: appId,
  name: `application ${appId}`,
  from: null,
  to: null,
  asn: null,
  silentHopCount: 0,
});

const incidentOf = (
  appId: string,
  about: {
    sinceBin: number;
    binMs: number;
    toMs: number;
    isOver: boolean;
    deviceCount: number;
    healthyCount: number;
  },
): SharedIncident => ({
  kind: 'incident',
  version: 1,
  id: uuidOf(`${appId} ${about.sinceBin}`),
  family: 'application',
  causeKind: 'delay',
  segment: 'server',
  element: elementOf(appId),
  scope: 'application',
  level: 'high',
  startedAt: about.sinceBin * about.binMs,
  seenAt: about.isOver ? about.toMs - about.binMs : about.toMs,
  endedAt: about.isOver ? about.toMs - about.binMs : null,
  perRoundTripMs: 600,
  lossRatio: null,
  deviceCount: about.deviceCount,
  pairCount: about.deviceCount,
  healthyDeviceCount: about.healthyCount,
  impactMsMinutes: 1,
  confidence: 0.9,
  sentence: `application ${appId} takes 600 ms longer`,
  evidence: [],
});

const verdictOf = (
  { deviceId, appId, ms }: { deviceId: string; appId: string; ms: number },
  toMs: number,
  binMs: number,
  incident: SharedIncident | undefined,
): Verdict => ({
  version: 1,
  deviceId,
  appId,
  edgeId: null,
  at: toMs,
  state: 'slow',
  segment: 'server',
  addedMs: ms - 100,
  totalMs: ms,
  baselineMs: 100,
  baselineFrom: 'own-past',
  confidence: 0.9,
  score: 30,
  sentence: `the fleet says: ${appId} itself is slow`,
  action: 'Ask its owner.',
  evidence: [],
  ledger: null,
  resultCount: 1,
  causes: [
    {
      family: 'application',
      kind: 'delay',
      segment: 'server',
      element: elementOf(appId),
      scope: 'application',
      addedMs: ms - 100,
      share: 1,
      perRoundTripMs: 600,
      lossRatio: null,
      deviceCount: incident?.deviceCount ?? 1,
      healthyDeviceCount: incident?.healthyDeviceCount ?? 0,
      startedAt: incident?.startedAt ?? toMs,
      incidentId: incident?.id ?? uuidOf(appId),
    },
  ],
  binMs,
});
