import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import type { Result } from '#contract/result.ts';
import { OneOf, Slug } from '#contract/scalar.ts';
import { MissedRuns, missedReasons, type TelemetryRecord } from '#contract/telemetry.ts';

type MissedReason = (typeof missedReasons)[number];

/** Accounts for every planned run: what is under way, and what will have no result and why. */
export type RunLedger = {
  /**
   * Before anything else, and before anything is shipped: settles what the agent before left open.
   * A record that reached the spool in the moment of a kill is not accounted for twice.
   */
  settle(findStored: (ids: readonly string[]) => Promise<Set<string>>): Promise<void>;
  /** `lostAs`: what it counts as should it give no result; `stopped` for a planned run. */
  begin(runId: string, probeId: string, lostAs?: MissedReason): void;
  /** The run's result is safe, or was counted. */
  end(runId: string): void;
  /** There will be no result. */
  lose(runId: string): void;
  count(probeId: string, reason: MissedReason, count: number): void;
  /** Records that were given up: results become counts, counts stay counts. */
  countLost(records: readonly TelemetryRecord[], reason: 'spool-full' | 'refused'): void;
  /** Hands the counts to the spool. */
  flush(append: (record: MissedRuns) => Promise<boolean>): Promise<void>;
  /** Since the start of the program. */
  totals(): Record<string, number>;
};

const Kept = Type.Object({
  underway: Type.Record(Type.String(), Slug),
  /** Of those under way that are beside the plan. */
  lostAs: Type.Optional(Type.Record(Type.String(), OneOf(missedReasons))),
  counts: Type.Array(
    Type.Object({
      probeId: Slug,
      reason: OneOf(missedReasons),
      count: Type.Integer({ minimum: 1 }),
    }),
  ),
  /** On their way into the spool; their ids are fixed, so a repeat after a crash is the same record. */
  leaving: Type.Array(MissedRuns),
});
type Kept = Static<typeof Kept>;

/**
 * Keeps its book in a file, renamed into place but not synced: it survives the program's death at
 * any point, and a power cut costs at most the counts of the last moments. Runs that a killed agent
 * had under way come out as `stopped` at the next start.
 */
export const openRunLedger = (parts: { folder: string; deviceId: string }): RunLedger => {
  const file = join(parts.folder, 'runs.json');
  const kept = readKept(file);
  const totals: Record<string, number> = {};

  const save = () => {
    try {
      writeFileSync(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    } catch {
      // A full disk: the book goes on in memory and is written when there is room again.
    }
  };

  const lossOf = (runId: string): MissedReason => kept.lostAs?.[runId] ?? 'stopped';

  const forget = (runId: string) => {
    delete kept.underway[runId];
    delete kept.lostAs?.[runId];
  };

  const add = (probeId: string, reason: MissedReason, count: number) => {
    totals[reason] = (totals[reason] ?? 0) + count;
    const same = kept.counts.find((one) => one.probeId === probeId && one.reason === reason);
    if (same === undefined) kept.counts.push({ probeId, reason, count });
    else same.count += count;
  };

  const handOver = async (append: (record: MissedRuns) => Promise<boolean>): Promise<void> => {
    kept.leaving.push(...kept.counts.splice(0).map((one) => missedRuns(parts.deviceId, one)));
    if (kept.leaving.length === 0) return;
    save();
    // Without room in the spool it comes back through countLost.
    for (const record of [...kept.leaving]) {
      await append(record);
      kept.leaving.splice(kept.leaving.indexOf(record), 1);
      save();
    }
  };
  let underway: Promise<void> | undefined;

  return {
    settle: async (findStored) => {
      const runIds = Object.keys(kept.underway);
      const stored = await findStored([...runIds, ...kept.leaving.map(({ id }) => id)]);
      for (const [runId, probeId] of Object.entries(kept.underway)) {
        if (!stored.has(runId)) add(probeId, lossOf(runId), 1);
      }
      kept.underway = {};
      delete kept.lostAs;
      kept.leaving = kept.leaving.filter(({ id }) => !stored.has(id));
      save();
    },
    begin: (runId, probeId, lostAs = 'stopped') => {
      kept.underway[runId] = probeId;
      if (lostAs !== 'stopped') kept.lostAs = { ...kept.lostAs, [runId]: lostAs };
      save();
    },
    end: (runId) => {
      forget(runId);
      save();
    },
    lose: (runId) => {
      const probeId = kept.underway[runId];
      if (probeId !== undefined) add(probeId, lossOf(runId), 1);
      forget(runId);
      save();
    },
    count: (probeId, reason, count) => {
      add(probeId, reason, count);
      save();
    },
    countLost: (records, reason) => {
      for (const record of records) {
        if (record.kind === 'result') add(record.probeId, besidePlan(record) ?? reason, 1);
        // A count the collector refuses would be refused for ever; one that found no room is kept.
        if (record.kind === 'missed' && reason === 'spool-full') {
          add(record.probeId, record.reason, record.count);
        }
      }
      save();
    },
    flush: async (append) => {
      // One after the other: two at once would hand over the same records twice.
      while (underway !== undefined) await underway.catch(() => {});
      underway = handOver(append);
      try {
        await underway;
      } finally {
        underway = undefined;
      }
    },
    totals: () => ({ ...totals }),
  };
};

/** A result that was never planned is not counted among those that were. */
const besidePlan = ({ requestId, burstId, repeats }: Result): MissedReason | undefined => {
  if (requestId !== undefined || burstId !== undefined) return 'request-ended';
  return repeats === undefined ? undefined : 'not-repeated';
};

const readKept = (file: string): Kept => {
  try {
    const read = check(Kept, JSON.parse(readFileSync(file, 'utf8')));
    if (read.ok) return read.value;
  } catch {
    // None yet, or damaged: there is nothing to learn from it.
  }
  return { underway: {}, counts: [], leaving: [] };
};

const missedRuns = (
  deviceId: string,
  one: { probeId: string; reason: MissedReason; count: number },
): MissedRuns => ({ kind: 'missed', id: randomUUID(), deviceId, at: Date.now(), ...one });
