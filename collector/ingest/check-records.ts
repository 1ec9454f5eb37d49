import { type Checked, checkOpen, type Mistake } from '#contract/check.ts';
import { probeTypes } from '#contract/result.ts';
import { records, type TelemetryRecord } from '#contract/telemetry.ts';
import type { Identity } from '../control/fleet.ts';
import { settleTexts } from './record-texts.ts';

/** A device's clock may be wrong by this much; later than that would spoil every "newest" question. */
export const maxAheadMs = 3_600_000;

/** Named mistakes in an answer; `rejectedCount` counts them all. */
const namedMistakes = 50;

export type CheckedRecords = {
  accepted: TelemetryRecord[];
  rejectedCount: number;
  mistakes: Mistake[];
  /** As they came. */
  rejected: unknown[];
};

/** Sorts a batch's records: each is checked as what it says it is, and must be the sender's own. */
export const checkRecords = (
  values: readonly unknown[],
  sender: Identity,
  now: number,
): CheckedRecords => {
  const result: CheckedRecords = { accepted: [], rejectedCount: 0, mistakes: [], rejected: [] };
  for (const [index, value] of values.entries()) {
    const checked = checkRecord(value, sender, now);
    if (checked.ok) {
      result.accepted.push(checked.value);
      continue;
    }
    result.rejectedCount += 1;
    result.rejected.push(value);
    for (const { pointer, message } of checked.mistakes) {
      if (result.mistakes.length === namedMistakes) break;
      result.mistakes.push({ pointer: `/records/${index}${pointer}`, message });
    }
  }
  return result;
};

const checkRecord = (value: unknown, sender: Identity, now: number): Checked<TelemetryRecord> => {
  const schema = schemaFor(value);
  if (!('of' in schema)) return { ok: false, mistakes: [schema] };
  const checked = checkOpen(schema.of, value);
  if (!checked.ok) return checked;
  const record = checked.value as TelemetryRecord;
  const mistakes = [
    ...checkOwner(record, sender),
    ...checkTime(record, now),
    ...settleTexts(record),
  ];
  return mistakes.length === 0 ? { ok: true, value: record } : { ok: false, mistakes };
};

const resultTypes = new Set<unknown>(probeTypes);

/** By `kind`, and for results by `type`: one schema's mistakes, not those of ten. */
const schemaFor = (value: unknown) => {
  const { kind, type } = (typeof value === 'object' && value !== null ? value : {}) as {
    kind?: unknown;
    type?: unknown;
  };
  // Anything may stand there: only a text is compared, nothing is made one.
  const name = kind === 'result' ? type : kind;
  if (kind === 'result' || !resultTypes.has(name)) {
    const known = Object.entries(records).find(([each]) => each === name);
    if (known) return { of: known[1] };
  }
  return kind === 'result'
    ? { pointer: '/type', message: `expected one of ${probeTypes.join(', ')}` }
    : {
        pointer: '/kind',
        message:
          'expected one of result, tunnel, device, edge, onward, flow, posture, missed, account, run-report, event',
      };
};

const checkOwner = (record: TelemetryRecord, sender: Identity): Mistake[] => {
  const { role, id, pointer } = ownerOf(record);
  if (role === sender.role && id === sender.id) return [];
  const message = `expected the sender’s own: the certificate is of ${sender.role} ${sender.id}`;
  return [{ pointer, message }];
};

const ownerOf = (record: TelemetryRecord): Identity & { pointer: string } => {
  switch (record.kind) {
    case 'edge':
    case 'onward':
    case 'flow':
      return { role: 'edge', id: record.edgeId, pointer: '/edgeId' };
    case 'event':
      return { role: record.source, id: record.sourceId, pointer: '/sourceId' };
    default:
      return { role: 'device', id: record.deviceId, pointer: '/deviceId' };
  }
};

const checkTime = (record: TelemetryRecord, now: number): Mistake[] => {
  const [name, at] = record.kind === 'result' ? ['startedAt', record.startedAt] : ['at', record.at];
  if (at <= now + maxAheadMs) return [];
  const aheadMinutes = Math.round((at - now) / 60_000);
  const message = `${aheadMinutes} minutes ahead of the collector: set the sender’s clock`;
  return [{ pointer: `/${name}`, message }];
};
