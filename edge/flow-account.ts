import type { EdgeTiming } from '#contract/body/connection.ts';
import type { EdgeSample } from '#contract/telemetry.ts';
import type { Access, AccessDecision } from './access.ts';
import {
  type ApplicationReading,
  applicationsOf,
  createApplicationTimes,
} from './application-times.ts';
import { createFlowRecorder, type OpenRecord } from './flow-record.ts';
import type { AdmitRequest, Moved } from './flow-request.ts';

/** What one process of an edge writes down of flows. */
export const createFlowBooks = (parts: Parameters<typeof createFlowRecorder>[0]) => {
  const records = createFlowRecorder(parts);
  const times = createApplicationTimes();
  return {
    records,
    times,
    /** For the edge's sample; counts begin anew. */
    takeReading: (): FlowReading => ({
      applications: times.take(),
      unrecordedFlowCount: records.takeUnrecorded(),
    }),
  };
};

export type FlowBooks = ReturnType<typeof createFlowBooks>;

export type FlowReading = { applications: ApplicationReading; unrecordedFlowCount: number };

/** Those of all processes, as fields of the edge's sample. */
export const flowFields = (
  readings: readonly FlowReading[],
): Pick<EdgeSample, 'applications' | 'unrecordedFlowCount'> => ({
  applications: applicationsOf(readings.map(({ applications }) => applications)),
  unrecordedFlowCount: readings.reduce((sum, one) => sum + one.unrecordedFlowCount, 0),
});

/** Follows one flow from its decision to its end; the record's id stands in `timing` from the decision on. */
export const openAccount = (
  { records, times }: FlowBooks,
  request: AdmitRequest,
  timing: EdgeTiming,
) => {
  let decision: AccessDecision | undefined;
  let record: OpenRecord | undefined;
  let isBegun = false;
  let openedMs = 0;

  const begin = (userId?: string) => {
    if (isBegun) return;
    isBegun = true;
    record = records.begin(request, { decision, userId });
    if (record) timing.flowId = record.id;
  };

  /** Also where it was decided, and the limit is that of names: the record is never made. */
  const leaveOut = () => {
    isBegun = true;
    delete timing.flowId;
    records.leaveOut(request);
  };

  return {
    decide(access: Access): AccessDecision {
      const { deviceId, destination, protocol } = request;
      decision = access.decide(deviceId, { ...destination, protocol });
      begin(access.userOf(deviceId));
      return decision;
    },
    opened(): void {
      openedMs = performance.now();
      if (decision?.appId !== undefined) times.opened(decision.appId, timing);
    },
    /** Also before there was a decision. */
    refused(error: string): void {
      if (error === 'connection_limit_reached') {
        leaveOut();
        return;
      }
      begin();
      record?.end({ timing, moved: nothing, firstByteMs: null, error });
    },
    ended(moved: Moved): void {
      const firstByteMs = firstByteOf(moved, openedMs);
      if (decision?.appId !== undefined && firstByteMs !== null) {
        times.firstByte(decision.appId, firstByteMs);
      }
      record?.end({ timing, moved, firstByteMs, error: '' });
    },
  };
};

const nothing: Moved = { upBytes: 0, downBytes: 0 };

/** A server that speaks first answers the connection, any other what it was first sent. */
const firstByteOf = ({ firstUpMs, firstDownMs }: Moved, openedMs: number): number | null => {
  if (firstDownMs === undefined) return null;
  const askedMs = firstUpMs !== undefined && firstUpMs <= firstDownMs ? firstUpMs : openedMs;
  return Math.max(0, firstDownMs - askedMs);
};
