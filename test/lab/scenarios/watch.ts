import type { Verdict } from '#contract/verdict.ts';
import type { Programs } from '../programs/programs.ts';
import type { Pair, Seen } from './scenario.ts';

type VerdictLine = { deviceId: string; appId: string; verdict: Verdict };

/** The newest verdict of each pair, by `device/application`, as anyone can ask for them. */
export const readVerdicts = async (
  programs: Programs,
  deviceNames: ReadonlyMap<string, string>,
): Promise<Map<string, Verdict>> => {
  const { items } = await programs.api.call<{ items: VerdictLine[] }>(
    'GET',
    '/v1/verdicts?limit=1000',
  );
  return new Map(
    items.map(({ deviceId, appId, verdict }) => [
      pairKey({ device: deviceNames.get(deviceId) ?? deviceId, application: appId }),
      verdict,
    ]),
  );
};

type IncidentLine = {
  device: { id: string };
  application: { id: string };
  segment: Verdict['segment'];
  firstSlowAt: number;
  openedAt: number | null;
  verdictState: Verdict['state'];
  sentence: string;
};

/** What incidents say: of a time that was over when the collector heard of it, nothing else does. */
export const readPast = async (
  programs: Programs,
  deviceNames: ReadonlyMap<string, string>,
): Promise<Past[]> => {
  const { incidents } = await programs.api.call<{ incidents: IncidentLine[] }>(
    'GET',
    '/v1/incidents',
  );
  return incidents.flatMap(
    ({ device, application, firstSlowAt, openedAt, verdictState, ...line }) =>
      openedAt === null
        ? []
        : [
            {
              device: deviceNames.get(device.id) ?? device.id,
              application: application.id,
              verdict: {
                ...blank,
                ...line,
                deviceId: device.id,
                appId: application.id,
                at: firstSlowAt,
                state: verdictState,
              },
            },
          ],
  );
};

export type Past = Pair & { verdict: Verdict };

const blank: Omit<Verdict, 'deviceId' | 'appId' | 'at' | 'state' | 'segment' | 'sentence'> = {
  version: 1,
  edgeId: null,
  addedMs: null,
  totalMs: null,
  baselineMs: null,
  baselineFrom: 'none',
  confidence: 0,
  score: null,
  action: '',
  evidence: [],
  ledger: null,
  resultCount: 0,
};

export const pairKey = ({ device, application }: Pair): string => `${device}/${application}`;

/** A verdict this far in the future is of a device whose clock was set forward. */
const aheadMs = 2_000;

/** Collects each new verdict about the time since the fault was set. */
export const createWatch = (options: {
  read: () => Promise<Map<string, Verdict>>;
  /** What was known when the fault was set. */
  before: ReadonlyMap<string, Verdict>;
  setAt: number;
  now?: () => number;
}) => {
  const now = options.now ?? Date.now;
  const seen = new Map<string, Seen[]>();
  const isAhead = ({ at }: Verdict): boolean => at > now() + aheadMs;
  const of = (pair: Pair): readonly Seen[] => seen.get(pairKey(pair)) ?? [];

  return {
    async look(): Promise<void> {
      const verdicts = await options.read();
      const seconds = (now() - options.setAt) / 1_000;
      for (const [key, verdict] of verdicts) {
        const last = seen.get(key)?.at(-1)?.verdict ?? options.before.get(key);
        if (verdict.at === last?.at || verdict.at < options.setAt) continue;
        seen.set(key, [...(seen.get(key) ?? []), { seconds, verdict }]);
      }
    },
    of,
    /** What was heard of these devices' time with the fault only when that was over. */
    hearPast(told: readonly Past[], devices: readonly string[]): void {
      const seconds = (now() - options.setAt) / 1_000;
      for (const { verdict, ...pair } of told) {
        const known = of(pair);
        const isNews =
          verdict.at >= options.setAt && !known.some((one) => one.verdict.at === verdict.at);
        if (devices.includes(pair.device) && isNews) {
          const all = [...known, { seconds, verdict }];
          seen.set(
            pairKey(pair),
            all.sort((a, b) => a.verdict.at - b.verdict.at),
          );
        }
      }
    },
    /** Those about the time the fault was there. */
    until: (clearedAt: number, pair: Pair): readonly Seen[] =>
      of(pair).filter(({ verdict }) => verdict.at <= clearedAt || isAhead(verdict)),
  };
};
