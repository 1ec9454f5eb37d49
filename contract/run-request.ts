import { type Static, Type } from '@sinclair/typebox';
import { closed, EpochMs, Slug, Uuid } from './scalar.ts';

/** Again and again for a while, to see what comes and goes. */
export const Burst = Type.Object(
  {
    everySeconds: Type.Number({ minimum: 1, maximum: 60 }),
    forSeconds: Type.Number({ minimum: 1, maximum: 300 }),
  },
  { ...closed, $id: 'Burst' },
);
export type Burst = Static<typeof Burst>;

/** What somebody wants measured now, beside the plan: probes of the device's plan by their ids. */
export const RunOrder = Type.Object(
  {
    probes: Type.Array(Slug, { minItems: 1, maxItems: 64, uniqueItems: true }),
    /** Left out: each probe once. */
    burst: Type.Optional(Burst),
    /** Page loads are to be recorded whole (HAR). */
    har: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'RunOrder' },
);
export type RunOrder = Static<typeof RunOrder>;

/** An order as its device gets it with its config. */
export const RunRequest = Type.Object(
  {
    id: Uuid,
    order: RunOrder,
    /** The collector's clock, as `issuedAt` of the config that carries it. Not begun after it. */
    expiresAt: EpochMs,
  },
  { ...closed, $id: 'RunRequest' },
);
export type RunRequest = Static<typeof RunRequest>;

/** How often a burst runs each of its probes. */
export const ticksOf = (burst: Burst | undefined): number =>
  burst === undefined ? 1 : Math.max(1, Math.floor(burst.forSeconds / burst.everySeconds));
