import type { Verdict } from '#contract/verdict.ts';
import type { Api } from '../api.ts';
import { findDevice } from '../find-device.ts';
import { UsageError } from '../usage-error.ts';

/** What the collector keeps of a device and application: its newest verdict. */
export const askVerdict = async (connect: () => Api, which: string): Promise<Verdict> => {
  const parts = /^(?<device>.+)\/(?<app>[^/@]+)(?:@(?<time>.+))?$/.exec(which)?.groups;
  if (parts === undefined) {
    throw new UsageError(
      `${which}: expected FILE:LINE, - or DEVICE/APPLICATION[@TIME] (there is no file of that name)`,
    );
  }
  const atMs = parts['time'] === undefined ? undefined : timeOf(parts['time']);
  const api = connect();
  const device = await findDevice(api, parts['device'] ?? '');
  const query = `device=${device.id}&app=${encodeURIComponent(parts['app'] ?? '')}`;
  const { items } = await api.call<{ items: { verdict: Verdict }[] }>(
    'GET',
    `/v1/verdicts?${query}`,
  );
  const verdict = items[0]?.verdict;
  if (verdict === undefined) {
    throw new UsageError(`there is no verdict about ${parts['app']} on ${device.name} yet`);
  }
  if (atMs !== undefined && !speaksOf(verdict, atMs)) {
    throw new UsageError(
      `the collector keeps the newest verdict in full, and that one is of ${new Date(verdict.at).toISOString()}: leave out @TIME, or replay what was recorded (docs/replay.md)`,
    );
  }
  return verdict;
};

const timeOf = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new UsageError(`@${text}: expected a time such as 2026-09-01T09:05Z`);
  return ms;
};

/** A verdict of runs speaks of the minutes before it. */
const aboutRunsMs = 120_000;

const speaksOf = ({ at, binMs = aboutRunsMs }: Verdict, atMs: number): boolean =>
  atMs >= at - binMs && atMs <= at;
