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
    /** Those about the time the fault was there. */
    until: (clearedAt: number, pair: Pair): readonly Seen[] =>
      of(pair).filter(({ verdict }) => verdict.at <= clearedAt || isAhead(verdict)),
  };
};
