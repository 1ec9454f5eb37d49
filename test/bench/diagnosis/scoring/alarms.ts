import type { Finding } from '../finding.ts';

/** An alarm is one when there was none in the bins before; it goes on when there was. */
const quietBins = 3;

export type FalseAlarm = { deviceId: string; appId: string; fromMs: number; finding: Finding };

/** Counts alarms about healthy pairs of device and application, of one method. */
export const createAlarmCount = () => {
  const lastNamed = new Map<string, number>();
  const lastAny = new Map<string, number>();
  const named: FalseAlarm[] = [];
  const unknown: FalseAlarm[] = [];

  const isOnset = (last: Map<string, number>, key: string, bin: number): boolean => {
    const before = last.get(key);
    last.set(key, bin);
    return before === undefined || bin - before > quietBins;
  };
  return {
    named,
    unknown,
    /** Every finding, in order, with whether its pair is healthy. */
    add: (finding: Finding, bin: number, fromMs: number, isHealthy: boolean): void => {
      const { deviceId, appId } = finding;
      const key = `${deviceId} ${appId}`;
      const beginsAny = isOnset(lastAny, key, bin);
      const alarm = { deviceId, appId, fromMs, finding };
      if (finding.state === 'unknown') {
        if (beginsAny && isHealthy) unknown.push(alarm);
      } else if (isOnset(lastNamed, key, bin) && isHealthy) named.push(alarm);
    },
  };
};
