import { type Static, Type } from '@sinclair/typebox';
import { Count, EpochMs, Nullable, Slug, Text, Uuid } from '#contract/scalar.ts';

const Day = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}$',
  description: 'a day in UTC, by the device’s clock',
});

const counts = {
  plannedCount: { ...Count, description: 'planned runs that have come to an end' },
  storedCount: { ...Count, description: 'distinct results of them in the store' },
  lost: Type.Object(
    { asleep: Count, 'spool-full': Count, stopped: Count, overrun: Count, refused: Count },
    { description: 'planned runs without a result in the store, by reason' },
  ),
  underwayCount: { ...Count, description: 'runs under way when the device told this' },
  unexplainedCount: Type.Integer({
    description: 'planned − stored − lost; below zero: more is stored than was planned',
  }),
};
const duplicates = {
  duplicateCount: { ...Count, description: 'results that are stored more than once' },
};

export const ZeroLossProbe = Type.Object({ probeId: Slug, ...counts, ...duplicates });
export type ZeroLossProbe = Static<typeof ZeroLossProbe>;

export const ZeroLossDay = Type.Object({
  day: Day,
  isTold: Type.Boolean({
    description: 'false: the device tells no account of this day; nothing is known to be lost',
  }),
  fromAt: { ...Nullable(EpochMs), description: 'the account begins here' },
  untilAt: { ...Nullable(EpochMs), description: 'and ends here' },
  toldAt: { ...Nullable(EpochMs), description: 'when it was told, by the collector’s clock' },
  ...counts,
  ...duplicates,
  probes: Type.Array(ZeroLossProbe),
});
export type ZeroLossDay = Static<typeof ZeroLossDay>;

export const DeviceZeroLoss = Type.Object(
  {
    deviceId: Uuid,
    ...counts,
    ...duplicates,
    days: Type.Array(ZeroLossDay, { description: 'the newest first' }),
  },
  { $id: 'DeviceZeroLoss' },
);
export type DeviceZeroLoss = Static<typeof DeviceZeroLoss>;

const ZeroLossDevice = Type.Object({
  deviceId: Uuid,
  name: Text(128),
  fromAt: EpochMs,
  untilAt: EpochMs,
  checkedAt: {
    ...Nullable(EpochMs),
    description: 'when the store was asked; null: not yet, and the counts are nought',
  },
  ...counts,
});

export const FleetZeroLoss = Type.Object(
  {
    day: Day,
    deviceCount: { ...Count, description: 'devices that told an account of this day' },
    checkedCount: { ...Count, description: 'of these, compared with the store; summed below' },
    openCount: { ...Count, description: 'devices with unexplained runs' },
    notToldCount: {
      ...Count,
      description: 'devices that were seen since the day began and told no account of it',
    },
    oldestCheckAt: Nullable(EpochMs),
    ...counts,
    devices: Type.Array(ZeroLossDevice, {
      description: 'the worst 200: those with unexplained runs first',
    }),
  },
  { $id: 'FleetZeroLoss' },
);
export type FleetZeroLoss = Static<typeof FleetZeroLoss>;
