import { edgeApplicationId } from '#contract/edge-path.ts';
import type { Acknowledgement, Batch, TelemetryRecord } from '#contract/telemetry.ts';
import type { Log } from '#runtime/log.ts';
import type { BatchRows } from '../control/batch-rows.ts';
import type { Fleet, Identity } from '../control/fleet.ts';
import type { RunRequests } from '../control/run-requests.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { toPoints } from '../store/points.ts';
import type { Point } from '../store/schema.ts';
import { PointsRefused, type Store } from '../store/store.ts';
import { type CheckedRecords, checkRecords } from './check-records.ts';
import type { DeclaredApplications } from './declared-applications.ts';
import type { KeepAccounts } from './keep-accounts.ts';
import type { NameSite } from './site-names.ts';

export type Ingested = {
  acknowledgement: Acknowledgement;
  refused: Pick<CheckedRecords, 'rejectedCount' | 'mistakes'>;
};

/**
 * Takes a batch: check, store, enqueue what has to be judged anew, remember the batch, acknowledge.
 * In this order, so that a crash between any two loses nothing: what is not acknowledged comes
 * again, the store overwrites it, and the jobs are the same jobs.
 */
export const createIngest = (parts: {
  store: Store;
  batches: BatchRows;
  declaredApplications: DeclaredApplications;
  runRequests: Pick<RunRequests, 'settle'>;
  fleet: Pick<Fleet, 'setPosture'>;
  jobs: Jobs;
  nameSite: NameSite;
  keepAccounts: KeepAccounts;
  /** Told the times of what was stored, for bins that are closed already. */
  noteLate: (sender: Identity, times: readonly number[], storedAt: number) => Promise<void>;
  /** Told what a batch brought, once it is acknowledged; not of one that came before. */
  onStored: (records: readonly TelemetryRecord[]) => void;
  now: () => number;
  diagnoseDelayMs: number;
  log: Log;
}) => {
  const { store, batches, jobs, now } = parts;

  /** Points that the engine will never take would come again for ever if they failed the batch. */
  const write = async (points: Point[], senderName: string): Promise<void> => {
    try {
      await store.write(points);
    } catch (error) {
      if (!(error instanceof PointsRefused)) throw error;
      parts.log.error(
        { component: 'ingest', sender: senderName, refusedCount: error.refusedCount, err: error },
        'the store refused points for good; the others are stored',
      );
    }
  };

  const enqueueDiagnoses = async (records: readonly TelemetryRecord[]): Promise<void> => {
    const declared = await parts.declaredApplications();
    // What is not declared is stored all the same: a plan may still name what was a moment ago.
    const touched = touchedBy(records).filter(({ appId }) => declared.has(appId));
    await Promise.all(
      touched.map(({ deviceId, appId }) => {
        const options = { id: `${deviceId}_${appId}`, delayMs: parts.diagnoseDelayMs };
        return jobs.enqueue('diagnose', { deviceId, appId }, options);
      }),
    );
  };

  return async (sender: Identity, batch: Batch): Promise<Ingested> => {
    const senderName = `${sender.role}:${sender.id}`;
    const before = await batches.find({ sender: senderName, batchId: batch.id });
    if (before) return { acknowledgement: repeated(before), refused: none };

    const receivedAt = now();
    const { accepted, rejected, ...refused } = checkRecords(batch.records, sender, receivedAt);
    const points = accepted.flatMap((record) => toPoints(parts.nameSite(record), receivedAt));
    await write(points, senderName);
    await parts.noteLate(
      sender,
      points.map(({ timeMs }) => timeMs),
      now(),
    );
    for (const record of accepted) {
      if (record.kind === 'run-report') await parts.runRequests.settle(record);
      if (record.kind === 'posture') await parts.fleet.setPosture(record, receivedAt);
    }
    await parts.keepAccounts({ sender, batchId: batch.id, accepted, rejected, receivedAt });
    await enqueueDiagnoses(accepted);
    const row = {
      sender: senderName,
      batchId: batch.id,
      acceptedCount: accepted.length,
      receivedAt,
    };
    const duplicate = !(await batches.add(row));
    if (!duplicate) parts.onStored(accepted);
    const acknowledgement = {
      id: batch.id,
      acceptedCount: accepted.length,
      duplicate,
      receivedAt,
    };
    return { acknowledgement, refused };
  };
};

export type Ingest = ReturnType<typeof createIngest>;

const none = { rejectedCount: 0, mistakes: [] };

const repeated = (row: { batchId: string; acceptedCount: number; receivedAt: number }) => ({
  id: row.batchId,
  acceptedCount: row.acceptedCount,
  duplicate: true,
  receivedAt: row.receivedAt,
});

/** Each device and application with a new result, once. The way to the edges is no application. */
const touchedBy = (records: readonly TelemetryRecord[]) => {
  const touched = new Map<string, { deviceId: string; appId: string }>();
  for (const record of records) {
    if (record.kind !== 'result' || record.appId === edgeApplicationId) continue;
    const { deviceId, appId } = record;
    touched.set(`${deviceId}_${appId}`, { deviceId, appId });
  }
  return [...touched.values()];
};
