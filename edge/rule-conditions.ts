import {
  type DeviceFacts,
  type PostureAnswer,
  type PostureCondition,
  type TimeCondition,
  type Weekday,
  weekdays,
} from '#contract/access.ts';
import type { AccessRule } from '#contract/policy.ts';

/** Whether a rule asks anything of the device. */
export const isPersonal = (rule: AccessRule): boolean =>
  rule.devices.length > 0 ||
  (rule.users ?? []).length > 0 ||
  (rule.groups ?? []).length > 0 ||
  rule.posture !== undefined;

/** Compiles what a rule asks of the device. A device nobody is named for has no user and no group. */
export const compilePersonal = (
  rule: AccessRule,
): ((deviceId: string, facts: DeviceFacts | undefined) => boolean) => {
  const devices = new Set(rule.devices);
  const users = new Set(rule.users);
  const groups = new Set(rule.groups);
  const { posture } = rule;
  return (deviceId, facts) =>
    (devices.size === 0 || devices.has(deviceId)) &&
    (users.size === 0 || (facts?.userId !== undefined && users.has(facts.userId))) &&
    (groups.size === 0 || (facts?.groups ?? []).some((group) => groups.has(group))) &&
    (posture === undefined || meets(posture, rule.action, facts));
};

const meets = (
  asked: PostureCondition,
  action: AccessRule['action'],
  facts: DeviceFacts | undefined,
): boolean => {
  const whenUnknown = (asked.unknown ?? (action === 'block' ? 'matches' : '')) === 'matches';
  const posture = facts?.posture;
  const holds = (answer: PostureAnswer | undefined, wanted: boolean | undefined): boolean => {
    if (wanted === undefined) return true;
    if (answer === undefined || answer === 'unknown') return whenUnknown;
    return (answer === 'yes') === wanted;
  };
  const isBelow = (version: string | undefined, limit: string | undefined): boolean => {
    if (limit === undefined) return true;
    return version ? compareVersions(version, limit) < 0 : whenUnknown;
  };
  const isOneOf = (platform: string | undefined, wanted: string[] | undefined): boolean =>
    wanted === undefined || (platform ? wanted.includes(platform) : whenUnknown);
  return (
    hasLabel(facts, asked.labels) &&
    isOneOf(posture?.platform, asked.platforms) &&
    holds(posture?.diskEncrypted, asked.diskEncrypted) &&
    holds(posture?.firewallOn, asked.firewallOn) &&
    holds(posture?.screenLock, asked.screenLock) &&
    isBelow(posture?.osVersion, asked.osVersionBelow) &&
    isBelow(posture?.agentVersion, asked.agentVersionBelow)
  );
};

/** Labels are always known: what an operator did not give a device, it has not. */
const hasLabel = (facts: DeviceFacts | undefined, labels: string[] | undefined): boolean =>
  labels === undefined || labels.some((label) => facts?.labels?.includes(label));

/** Number by number; what is no number counts 0, and what is missing too: `12` equals `12.0`. */
export const compareVersions = (a: string, b: string): number => {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

const numbersOf = (version: string): number[] =>
  version.split(/[^0-9]+/).flatMap((part) => (part === '' ? [] : [Number(part)]));

/** Compiles when a rule applies; undefined: this machine does not know the time zone. */
export const compileTime = (condition: TimeCondition): ((nowMs: number) => boolean) | undefined => {
  const localTime = localTimeIn(condition.zone);
  if (localTime === undefined) return undefined;
  const days = new Set<Weekday>(condition.weekdays ?? weekdays);
  const from = minutesOf(condition.from ?? '00:00');
  const to = condition.to === undefined ? 24 * 60 : minutesOf(condition.to);
  const dayBefore = (day: number): Weekday => weekdays[(day + 6) % 7] as Weekday;
  return (nowMs) => {
    const { day, minutes } = localTime(nowMs);
    const isToday = days.has(weekdays[day] as Weekday);
    if (from < to) return isToday && minutes >= from && minutes < to;
    // Over midnight: the evening of one of the days, or the morning after one.
    return (isToday && minutes >= from) || (days.has(dayBefore(day)) && minutes < to);
  };
};

const minutesOf = (clock: string): number =>
  Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

type LocalTime = { day: number; minutes: number };

/** Formatting costs microseconds, and every rule of a zone asks about the same minute. */
const localTimeIn = (zone: string): ((nowMs: number) => LocalTime) | undefined => {
  const format = formatIn(zone);
  if (format === undefined) return undefined;
  let known = { minute: Number.NaN, local: { day: 0, minutes: 0 } };
  return (nowMs) => {
    const minute = Math.floor(nowMs / 60_000);
    if (known.minute === minute) return known.local;
    const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
    const day = weekdays.indexOf((parts.get('weekday') ?? '').toLowerCase() as Weekday);
    const minutes = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
    known = { minute, local: { day, minutes } };
    return known.local;
  };
};

const formatIn = (timeZone: string): Intl.DateTimeFormat | undefined => {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  } catch {
    return undefined;
  }
};
