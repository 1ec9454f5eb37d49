import type { State } from '#collector/state/state.ts';
import { applicationNames } from './catalogue.ts';
import { marksBy, type VerdictMark, verdictLines, verdictMarks, worstFirst } from './verdicts.ts';
import type { DeviceSummary, VerdictLine } from './views.ts';
import type { TriageParts } from './window.ts';

/** Devices whose name contains `search`, the worst first. `moreCount`: those beyond the limit. */
export const listDevices = async (
  { state }: Pick<TriageParts, 'state'>,
  options: { search: string; limit: number; nowMs: number },
): Promise<{ devices: DeviceSummary[]; moreCount: number }> => {
  const [names, marks, rows] = await Promise.all([
    applicationNames(state),
    verdictMarks(state, options.nowMs),
    findDevices(state, options.search),
  ]);
  const marksByDevice = marksBy(marks, 'deviceId');
  const listed = rows
    .map((row) => ({ row, marks: marksByDevice.get(row.id) ?? [] }))
    .sort(
      (a, b) =>
        worstFirst(a.marks[0] ?? unknown, b.marks[0] ?? unknown) ||
        (b.row.lastSeenAt ?? 0) - (a.row.lastSeenAt ?? 0),
    )
    .slice(0, options.limit);
  const worst = new Map(
    (
      await verdictLines(
        state,
        listed.flatMap(({ marks: [first] }) => first ?? []),
        names,
        options.nowMs,
      )
    ).map((line) => [line.device.id, line]),
  );
  return {
    devices: listed.map(({ row, marks: own }) =>
      deviceSummary(row, own, worst.get(row.id) ?? null),
    ),
    moreCount: rows.length - listed.length,
  };
};

const unknown = { state: 'no-data', score: null } as const;

export type DeviceRow = {
  id: string;
  name: string;
  platform: string;
  programVersion: string;
  enrolledAt: number;
  lastSeenAt: number | null;
  revokedAt: number | null;
};

export const deviceSummary = (
  { id, name, platform, programVersion, enrolledAt, lastSeenAt, revokedAt }: DeviceRow,
  marks: readonly VerdictMark[],
  worst: VerdictLine | null,
): DeviceSummary => ({
  id,
  name,
  platform,
  programVersion,
  enrolledAt,
  lastSeenAt,
  revokedAt,
  state: worst?.state ?? 'no-data',
  worst,
  applicationCount: marks.length,
});

/** Names are few bytes each, so all that match are ordered here; the bound is a safety net. */
const findDevices = (state: State, search: string): Promise<DeviceRow[]> =>
  state.db.query.devices.findMany({
    columns: { certificateSerial: false, certificateNotAfter: false },
    where: (table, { ilike }) =>
      search === '' ? undefined : ilike(table.name, `%${escapeLike(search)}%`),
    orderBy: (table, { desc }) => desc(table.lastSeenAt),
    limit: 20_000,
  });

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
