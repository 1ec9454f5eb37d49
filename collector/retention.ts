import { type Static, Type } from '@sinclair/typebox';
import { closed } from '#contract/scalar.ts';
import { type Measurement, measurements } from './store/schema.ts';

const dayMs = 86_400_000;
const Days = Type.Number({ minimum: 1, maximum: 36_500 });

/** How long series are kept: raw points, roll-ups of 5 minutes, and of hours. */
export const Retention = Type.Object(
  {
    rawDays: Days,
    fiveMinuteDays: Days,
    hourDays: Days,
  },
  closed,
);
export type Retention = Static<typeof Retention>;

export const defaultRetention: Retention = { rawDays: 30, fiveMinuteDays: 90, hourDays: 730 };

const variables = {
  rawDays: 'WHYSLOW_RETENTION_RAW_DAYS',
  fiveMinuteDays: 'WHYSLOW_RETENTION_FIVE_MINUTE_DAYS',
  hourDays: 'WHYSLOW_RETENTION_HOUR_DAYS',
} as const satisfies Record<keyof Retention, string>;

/** Each field by itself: environment over file over default. Anything else is for the checker. */
export const retentionFrom = (
  file: unknown,
  read: (name: string) => string | undefined,
): unknown => {
  if (file !== undefined && (typeof file !== 'object' || file === null || Array.isArray(file))) {
    return file;
  }
  const set = Object.entries(variables).flatMap(([field, variable]) => {
    const text = read(variable);
    return text === undefined ? [] : [[field, Number(text)] as const];
  });
  return { ...defaultRetention, ...file, ...Object.fromEntries(set) };
};

/** What is made of others must not go before them: an hour's rows are made of its 5 minutes'. */
export const retentionMistakes = (retention: Retention): { pointer: string; message: string }[] => {
  const { rawDays, fiveMinuteDays, hourDays } = retention;
  const mistakes: { pointer: string; message: string }[] = [];
  const say = (field: keyof Retention, least: number) =>
    mistakes.push({
      pointer: `/retention/${field}`,
      message: `expected at least ${least}, as what it is made of is kept so long`,
    });
  if (fiveMinuteDays < rawDays) say('fiveMinuteDays', rawDays);
  if (hourDays < fiveMinuteDays) say('hourDays', fiveMinuteDays);
  return mistakes;
};

export const keptRawMs = ({ rawDays }: Retention): number => rawDays * dayMs;

/** The measurements of each tier and how long they are kept. */
export const tiersOf = (retention: Retention): { of: Measurement[]; keptMs: number }[] => {
  const { raw, '5m': fiveMinutes, '1h': hours } = byTier;
  return [
    { of: raw, keptMs: keptRawMs(retention) },
    { of: fiveMinutes, keptMs: retention.fiveMinuteDays * dayMs },
    { of: hours, keptMs: retention.hourDays * dayMs },
  ];
};

const endingWith = (ending: string) => measurements.filter((name) => name.endsWith(ending));
const byTier = {
  '5m': endingWith('_5m'),
  '1h': endingWith('_1h'),
  raw: measurements.filter((name) => !/_(5m|1h)$/.test(name)),
};
