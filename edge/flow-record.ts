import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { defaultPrivacy, type FlowPrivacy, type Privacy } from '#contract/access.ts';
import type { EdgeTiming } from '#contract/body/connection.ts';
import { normalHost } from '#contract/host-pattern.ts';
import type { FlowRecord } from '#contract/telemetry.ts';
import type { AccessDecision } from './access.ts';
import type { AdmitRequest, Moved } from './flow-request.ts';

/**
 * Records begun a second, and at once after a pause. A record takes about 400 bytes of the spool: at
 * this rate an edge that cannot reach its collector keeps the last 26 minutes.
 */
export const recordLimits = { perSecond: 100, burst: 500 } as const;

/** The same of one device, so that none uses up the records of the others: a page or two at once. */
export const deviceRecordLimits = { perSecond: 10, burst: 100 } as const;

/** The record of one flow, begun when it was asked for and told when it has ended. */
export type OpenRecord = {
  id: string;
  end(outcome: {
    timing: EdgeTiming;
    moved: Moved;
    firstByteMs: number | null;
    error: string;
  }): void;
};

export type FlowRecorder = {
  /** Undefined: none is made, because of the privacy switch or because there are too many. */
  begin(
    request: AdmitRequest,
    decided: { decision: AccessDecision | undefined; userId: string | undefined },
  ): OpenRecord | undefined;
  /** Of a flow that was refused for the device asks too much: it gets no record, and is counted. */
  leaveOut(request: AdmitRequest): void;
  /** Flows since the last call of which no record was made for there were too many. */
  takeUnrecorded(): number;
};

/**
 * Makes one record a flow, as far as the organisation lets it be told. What begins faster than the
 * limit is counted instead; flows of declared applications come first, since these are what the
 * results of probes are joined to.
 */
export const createFlowRecorder = (parts: {
  edgeId: string;
  privacy: () => Privacy | undefined;
  emit: (record: FlowRecord) => void;
  now: () => number;
  /** Which of an edge's processes this is: the times they give to a device's flows never meet. */
  process?: { index: number; count: number };
}): FlowRecorder => {
  const take = createTurns(recordLimits);
  const takeOfDevice = createDeviceTurns();
  const times = createTimes(parts.now, parts.process ?? { index: 0, count: 1 });
  let unrecordedCount = 0;
  /** A record belongs to a device; who comes with a password alone has none. */
  const isTold = ({ deviceId }: AdmitRequest, { flows }: Privacy) =>
    flows !== 'off' && !deviceId.startsWith('user:');

  return {
    begin(request, { decision, userId }) {
      const privacy = parts.privacy() ?? defaultPrivacy;
      if (!isTold(request, privacy)) return undefined;
      const { deviceId, destination, protocol, receivedMs } = request;
      const appId = decision?.appId ?? null;
      const isUndeclared = appId === null;
      if (!takeOfDevice(deviceId, isUndeclared) || !take(isUndeclared)) {
        unrecordedCount += 1;
        return undefined;
      }
      const begun = {
        kind: 'flow' as const,
        id: randomUUID(),
        edgeId: parts.edgeId,
        deviceId,
        userId: privacy.users ? (userId ?? null) : null,
        appId,
        at: times.next(deviceId),
        host: toldHost(destination.host, privacy.flows),
        port: destination.port,
        protocol,
        action: decision?.action ?? ('block' as const),
        rule: decision?.rule ?? '',
      };
      return {
        id: begun.id,
        end({ timing, moved, firstByteMs, error }) {
          const { queueMs, dnsMs, connectMs } = timing;
          parts.emit({
            ...begun,
            upBytes: moved.upBytes,
            downBytes: moved.downBytes,
            queueMs,
            dnsMs,
            connectMs,
            firstByteMs: firstByteMs === null ? null : Math.min(dayMs, firstByteMs),
            durationMs: Math.min(dayMs, performance.now() - receivedMs),
            error,
          });
        },
      };
    },
    leaveOut(request) {
      if (isTold(request, parts.privacy() ?? defaultPrivacy)) unrecordedCount += 1;
    },
    takeUnrecorded() {
      const count = unrecordedCount;
      unrecordedCount = 0;
      return count;
    },
  };
};

const dayMs = 86_400_000;

type Turns = (isUndeclared: boolean) => boolean;

/** A bucket of which flows of no declared application may use the upper half only. */
const createTurns = ({ perSecond, burst }: { perSecond: number; burst: number }): Turns => {
  let tokens: number = burst;
  let filledMs = performance.now();
  return (isUndeclared) => {
    const nowMs = performance.now();
    tokens = Math.min(burst, tokens + ((nowMs - filledMs) / 1_000) * perSecond);
    filledMs = nowMs;
    if (tokens < (isUndeclared ? burst / 2 : 1)) return false;
    tokens -= 1;
    return true;
  };
};

/** Devices with a bucket of their own at a time: more than there are places at once for records. */
const mostDeviceTurns = 1_000;

/** Who was not there for longest gives way, and would begin with a full one. */
const createDeviceTurns = () => {
  const turns = new Map<string, Turns>();
  return (deviceId: string, isUndeclared: boolean): boolean => {
    const take = turns.get(deviceId) ?? createTurns(deviceRecordLimits);
    turns.delete(deviceId);
    turns.set(deviceId, take);
    if (turns.size > mostDeviceTurns) turns.delete(turns.keys().next().value ?? '');
    return take(isUndeclared);
  };
};

/** Devices whose last time is remembered: more than begin flows before a burst's times are past. */
const mostTimes = 10_000;

/** Each flow of a device its own millisecond: the store keeps one point for each. */
const createTimes = (now: () => number, { index, count }: { index: number; count: number }) => {
  const last = new Map<string, number>();
  return {
    next(deviceId: string): number {
      const earliest = Math.max(Math.floor(now()), (last.get(deviceId) ?? 0) + 1);
      const at = earliest + ((index - (earliest % count) + count) % count);
      // The one that was not there for longest is forgotten: its times are over, others' may lie ahead.
      last.delete(deviceId);
      last.set(deviceId, at);
      if (last.size > mostTimes) last.delete(last.keys().next().value ?? '');
      return at;
    },
  };
};

const toldHost = (host: string, flows: FlowPrivacy): string => {
  if (flows === 'full') return normalHost(host).slice(0, 256);
  return flows === 'domains' ? domainOf(normalHost(host)) : '';
};

/**
 * The part of a name that was registered: its last two labels, or three under endings such as
 * `co.uk`. Only a guess at the public suffix list; an address is not told.
 */
export const domainOf = (name: string): string => {
  if (isIP(name) !== 0) return '';
  const labels = name.split('.');
  const [second = '', top = ''] = labels.slice(-2);
  const isBelowEnding = top.length === 2 && (second.length <= 2 || sharedEndings.has(second));
  return labels.slice(isBelowEnding ? -3 : -2).join('.');
};

const sharedEndings = new Set([
  'com',
  'net',
  'org',
  'gov',
  'edu',
  'mil',
  'gob',
  'gouv',
  'nom',
  'ltd',
  'plc',
  'sch',
  'nhs',
]);
