import { type Static, Type } from '@sinclair/typebox';
import { Count, closed, Ratio } from './scalar.ts';

/*
 * Burst on suspicion: the first odd result of a probe makes its device, and the edge it is on, measure
 * that application every second for a while. In a config only for those that ask for it
 * (`Prefer: burst`), so that a config with it says too that the collector takes what comes of it.
 */

/** What a device may do on suspicion, and what it may cost. */
export const DeviceBurst = Type.Object(
  {
    everySeconds: Type.Number({ minimum: 0.2, maximum: 10 }),
    /** At most so long; over sooner when all is calm again, or enough has been seen. */
    seconds: Type.Number({ minimum: 1, maximum: 300 }),
    /** Runs as usual for so long end it. */
    calmSeconds: Type.Number({ minimum: 1, maximum: 300 }),
    perHour: Type.Integer({ minimum: 1, maximum: 60 }),
    bytesPerDay: Count,
    /** CPU time of the whole agent while bursts last. */
    cpuMsPerDay: Count,
    /** Share of one core that the agent may take while one lasts. */
    maxCpuRatio: Type.Number({ minimum: 0.01, maximum: 1 }),
    /** Of the devices that see the same, so many measure: small fleets all (1), large ones a part. */
    deviceRatio: Ratio,
    /** Those that do begin within so long, each at its own moment; 0: at once. */
    spreadSeconds: Type.Number({ minimum: 0, maximum: 60 }),
    onBattery: Type.Boolean(),
    onMetered: Type.Boolean(),
  },
  { ...closed, $id: 'DeviceBurst' },
);
export type DeviceBurst = Static<typeof DeviceBurst>;

/** What an edge may do when devices tell it of a suspicion. */
export const EdgeBurst = Type.Object(
  {
    everySeconds: Type.Number({ minimum: 0.2, maximum: 10 }),
    /** The longest of one, whatever a device asks for. */
    seconds: Type.Number({ minimum: 1, maximum: 300 }),
    /** Applications at once; of one application there is one, however many devices ask. */
    applicationsAtOnce: Type.Integer({ minimum: 1, maximum: 100 }),
    /** Of all applications together. */
    secondsPerDay: Count,
  },
  { ...closed, $id: 'EdgeBurst' },
);
export type EdgeBurst = Static<typeof EdgeBurst>;

/** Header of a device's CONNECT while it bursts: `<burst id>;for=<seconds left>`. Others pass it over. */
export const burstHeader = 'whyslow-burst';

const headerForm = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12});for=(\d{1,3})$/;

export type BurstNotice = { burstId: string; forSeconds: number };

export const formatBurstNotice = ({ burstId, forSeconds }: BurstNotice): string =>
  `${burstId};for=${Math.min(999, Math.max(1, Math.ceil(forSeconds)))}`;

/** Undefined: there is none, or it is none. */
export const parseBurstNotice = (header: unknown): BurstNotice | undefined => {
  const [, burstId, seconds] = (typeof header === 'string' && headerForm.exec(header)) || [];
  if (burstId === undefined || seconds === undefined) return undefined;
  return { burstId, forSeconds: Number(seconds) };
};

/** What the organisation may say of it; everything has a default. */
export const BurstPolicy = Type.Object(
  {
    enabled: Type.Boolean(),
    everySeconds: DeviceBurst.properties.everySeconds,
    seconds: DeviceBurst.properties.seconds,
    calmSeconds: DeviceBurst.properties.calmSeconds,
    perHour: DeviceBurst.properties.perHour,
    perDayMegabytes: Type.Number({ minimum: 0, maximum: 10_000 }),
    perDayCpuSeconds: Type.Number({ minimum: 0, maximum: 86_400 }),
    maxCpuRatio: DeviceBurst.properties.maxCpuRatio,
    /** That measure one application at once; in larger fleets chance decides which. */
    devicesAtOnce: Type.Integer({ minimum: 1, maximum: 100_000 }),
    onBattery: Type.Boolean(),
    onMetered: Type.Boolean(),
    edgeApplicationsAtOnce: EdgeBurst.properties.applicationsAtOnce,
    edgeSecondsPerDay: Type.Number({ minimum: 0, maximum: 86_400 }),
  },
  closed,
);
export type BurstPolicy = Static<typeof BurstPolicy>;

export const burstDefaults: BurstPolicy = {
  enabled: true,
  everySeconds: 1,
  seconds: 30,
  calmSeconds: 8,
  perHour: 6,
  perDayMegabytes: 20,
  perDayCpuSeconds: 120,
  maxCpuRatio: 0.25,
  devicesAtOnce: 50,
  onBattery: false,
  onMetered: false,
  edgeApplicationsAtOnce: 4,
  edgeSecondsPerDay: 3_600,
};
